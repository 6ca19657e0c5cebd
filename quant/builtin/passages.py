"""Passages written by hand for calibrating and evaluating quantised models: see `texts.py`.

Everyday prose, dialogue, code and many languages, because an importance matrix that has seen English
articles only gives the bits to English articles. None of it is taken from anywhere, and no passage
is in both parts.
"""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

CALIBRATION = (
    """The baker on the corner starts at three. By the time the first tram goes past she has shaped two hundred rolls, and the street smells of rye and a little of burnt sugar, because the apprentice always opens the oven too early. "Patience," she says, "is an ingredient," and he nods, and opens it too early again the next day. People who cannot sleep know the light in her window. They buy one roll, still too hot to hold, and walk home with it from hand to hand.""",
    """How do you find out which of two identical looking balls is hollow? Roll both down the same slope. The hollow one carries more of its mass far from the axis, so more of its energy goes into turning and less into moving forward, and it arrives second. The result depends neither on the size nor on the mass of the balls, only on how the mass is spread. A tin of soup beats a tin of beans for a related reason: the liquid inside hardly turns at all.""",
    """Minutes of the allotment association, 14 March. Present: nine members, one dog. 1. The water will be turned on when no more frost is expected, at the latest on 20 April. 2. The compost heap behind plot 17 belongs to nobody, so everybody may use it; this ends a discussion that began in 2019. 3. Mrs Adeyemi offers thirty tomato seedlings. 4. The hedge facing the railway must be cut before the birds nest. The treasurer reported a balance of 1,204.60 and was thanked. The meeting ended at 20:45.""",
    """“You said the bridge was open.” “It was open when I said it.” “That was on Tuesday.” “And on Tuesday you should have gone.” They stood by the barrier and looked at the river, which had taken the road on the other side as well, and for a while neither of them wanted to be the one who turned the car around.""",
    """Dear Ms Okafor, thank you for your application for the position of laboratory technician (reference LT-204). We were impressed by your experience with gas chromatography and would like to invite you to an interview on Thursday, 6 June, at 10:30 in room B 1.14. Please bring your certificates. If the time does not suit you, call us on extension 48. Kind regards, Personnel Office.""",
    """To change the inner tube, first let out all the air and push the tyre's beads into the middle of the rim, where its diameter is smallest. Then lift one side over the rim with two levers, about ten centimetres apart. Pull out the tube, and before you put in the new one, run your fingers carefully along the inside of the tyre: whatever made the hole is often still there. Pump the new tube up just enough that it keeps its shape.""",
    """A theorem is only as good as its hypotheses. If f is continuous on [a, b] and differentiable on (a, b), then there is a point c with f'(c) = (f(b) - f(a)) / (b - a). Drop differentiability at one point and the statement fails: take f(x) = |x| on [-1, 1]; its mean slope is 0, and its slope is nowhere 0. Proof of the theorem: apply Rolle to g(x) = f(x) - f(a) - (x - a)(f(b) - f(a))/(b - a), which vanishes at both ends. QED.""",
    """$$\\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx = \\sqrt{\\pi}, \\qquad \\sum_{k=1}^{n} k^2 = \\frac{n(n+1)(2n+1)}{6}, \\qquad \\lim_{n\\to\\infty}\\left(1+\\frac{1}{n}\\right)^n = e.$$ Let $A \\in \\mathbb{R}^{n\\times n}$ be symmetric; then there is an orthogonal $Q$ such that $Q^\\top A Q$ is diagonal, and the entries on its diagonal are the eigenvalues of $A$.""",
    """Der Winter kam spät in diesem Jahr, und als er kam, blieb er. Im Februar war der See so fest zugefroren, dass der Postbote den kürzeren Weg nahm, quer über das Eis, mit Spikes unter den Stiefeln und einer Thermoskanne in der Tasche. Die Kinder zählten seine Schritte. Wer richtig schätzte, durfte am nächsten Tag die Briefe tragen; wer falsch lag, bekam trotzdem Tee.""",
    """Für die Installation benötigen Sie einen Schraubendreher (Größe PH2), zwei Dübel und etwa zwanzig Minuten. Schalten Sie vor Beginn der Arbeiten die Sicherung aus und prüfen Sie, ob die Leitung wirklich spannungsfrei ist. Die Lampe darf nicht in Feuchträumen montiert werden. Bewahren Sie diese Anleitung auf.""",
    """Quand ma grand-mère parlait de la mer, elle baissait la voix, comme si la mer pouvait l'entendre. Elle n'y avait vécu que trois ans, dans une maison aux volets bleus, mais tout ce qui lui était arrivé d'important semblait s'être passé là : le premier emploi, la première robe achetée avec son propre argent, et un matin d'octobre dont elle ne disait jamais rien.""",
    """Recette de la soupe aux lentilles : faites revenir un oignon et deux carottes dans l'huile d'olive, ajoutez 250 g de lentilles vertes, une feuille de laurier et un litre et demi d'eau. Laissez cuire quarante minutes à feu doux. Salez à la fin seulement, sinon la peau des lentilles durcit. Servez avec un filet de vinaigre.""",
    """El tren salió con doce minutos de retraso, lo que en aquella línea se consideraba puntual. Frente a mí, un hombre pelaba una naranja sin romper la cáscara, con la paciencia de quien ha hecho lo mismo mil veces. «Si la rompo», me explicó sin levantar la vista, «mi hija dice que trae mala suerte». Llegamos a la costa con el sol ya bajo y la naranja entera.""",
    """¿Cuánto cuesta enviar un paquete de tres kilos? Depende de la zona: dentro de la provincia son 5,90 €; al resto de la península, 7,40 €; a las islas, 12,15 €. El plazo de entrega es de uno a cuatro días laborables. Los paquetes que superen 120 cm de largo llevan un recargo.""",
    """La finestra della biblioteca dava su un cortile dove non succedeva mai niente, e proprio per questo era il posto migliore per studiare. Verso le cinque passava il gatto del custode, sempre nella stessa direzione, e allora sapevamo che era ora di un caffè. L'esame lo passammo tutti; il gatto, nessuno lo vide mai tornare indietro.""",
    """O mercado abre às seis, mas quem quer peixe bom chega antes. As mulheres gritam os preços por cima do barulho das caixas, e os fregueses fingem que não ouvem até o preço descer. "Está fresco?", pergunta sempre o mesmo senhor. "Mais fresco do que o senhor", responde sempre a mesma vendedora, e ele leva dois quilos.""",
    """De fiets stond nog waar ik hem had achtergelaten, alleen zonder zadel. Op het stuur zat een briefje: ‘Sorry, ik breng hem morgen terug.’ Ik heb de hele weg naar huis staand gefietst en me afgevraagd wie er in vredesnaam een zadel leent. De volgende ochtend lag het op de stoep, met een pak stroopwafels ernaast.""",
    """Na końcu ulicy mieszkał zegarmistrz, który nigdy nie nosił zegarka. Mówił, że po czterdziestu latach słyszy czas i bez niego. Kiedy umarł, wszystkie zegary w warsztacie chodziły jeszcze osiem dni, każdy trochę inaczej, a potem zapadła cisza, jakiej nikt z sąsiadów wcześniej nie znał.""",
    """Поезд стоял на станции уже третий час. Проводница разносила чай, дети рисовали на запотевших окнах, а старик в углу читал вслух расписание, как стихи: прибытие, стоянка, отправление. Когда состав наконец дёрнулся, все почему-то замолчали, будто боялись спугнуть движение.""",
    """Щоб приготувати борщ на шість порцій, потрібно: буряк — 2 шт., капуста — 300 г, картопля — 4 шт., морква — 1 шт., цибуля — 1 шт., томатна паста — 2 ст. л. Варіть бульйон півтори години, потім додайте овочі. Найкраще він смакує наступного дня.""",
    """春天来得比往年早。院子里的老杏树一夜之间开满了花，奶奶搬来一把椅子，坐在树下择菜。她说，花开得早，果子就要怕霜。果然，四月初下了一场霜，可是她用旧床单把最低的几根树枝盖住了。那年夏天，我们只收了半篮杏子，却比哪一年的都甜。""",
    """安装步骤：一、下载安装包并核对校验值；二、解压到任意目录；三、在终端中运行 setup 命令；四、按照提示输入管理员密码。如果出现“端口被占用”的错误，请修改配置文件中的 port 一项，然后重新启动服务。""",
    """駅前の本屋が閉まると聞いて、久しぶりに立ち寄った。店主は昔と同じように帳場の奥で本を読んでいて、私に気づくと眼鏡を上げた。「あの時の本、見つかりましたよ」と言って、彼は棚の下から一冊を取り出した。二十年前に注文した詩集だった。""",
    """골목 끝에 있는 세탁소는 비가 오는 날에만 음악을 틀었다. 주인 아저씨는 빗소리가 기계 소리를 덮어 주니까 그제야 노래가 들린다고 했다. 나는 일부러 비 오는 날에 셔츠를 맡기러 갔다.""",
    """كان الطريق إلى القرية يمر عبر بستان من أشجار الزيتون، وكان جدي يعرف كل شجرة باسم من زرعها. قال لي مرة: «الشجرة لا تتذكر من سقاها، ولكن الناس يتذكرون». منذ ذلك اليوم صرت أحمل معي قليلا من الماء كلما مررت من هناك.""",
    """गाँव के पुराने कुएँ के पास एक पीपल का पेड़ है। गर्मियों की दोपहर में सब लोग वहीं बैठते हैं, बच्चे कंचे खेलते हैं और बूढ़े वही कहानियाँ सुनाते हैं जो पिछले साल सुनाई थीं। किसी को शिकायत नहीं होती, क्योंकि हर बार अंत थोड़ा बदल जाता है।""",
    """Annem pazardan dönerken her zaman fazladan bir demet maydanoz alırdı, komşuya vermek için. Komşu da bize limon getirirdi. Yıllar sonra ikisi de taşındı; şimdi marketten ne maydanoz alıyorum ne de limon, ama ikisini birlikte görünce çocukluğumun mutfağı aklıma geliyor.""",
    """Hiljainen järvi heijasti taivasta niin tarkasti, ettei vene näyttänyt kelluvan vaan leijuvan. Isä souti, minä laskin vedot. Sadan jälkeen sain itse kokeilla.""",
    """Con tàu rời bến lúc năm giờ sáng, khi sương còn chưa tan. Bà cụ ngồi cạnh tôi mang theo một giỏ xoài và kể rằng bà đi thăm cháu lần đầu tiên sau sáu năm. Đến nơi, bà đưa tôi hai quả xoài và dặn đừng ăn khi đói.""",
    """Kila asubuhi wavuvi hurudi kabla jua halijawa kali. Watoto hukimbia ufukweni kuona nani amepata samaki wengi, na mshindi hupewa kichwa cha samaki mkubwa kuliko wote.""",
    """Η γιαγιά μου έλεγε πως το ψωμί ακούει. Γι' αυτό, όσο φούσκωνε το ζυμάρι, δεν επιτρεπόταν κανένας καβγάς στην κουζίνα. Ψωμί άσχημο δεν βγήκε ποτέ από εκείνο τον φούρνο.""",
    """def moving_average(values, width):
    \"\"\"The mean of each run of `width` neighbours.\"\"\"
    if not 0 < width <= len(values):
        raise ValueError(f"width must be between 1 and {len(values)}, not {width}")
    total = sum(values[:width])
    yield total / width
    for old, new in zip(values, values[width:]):
        total += new - old
        yield total / width


class Stack:
    def __init__(self):
        self._items = []

    def push(self, item):
        self._items.append(item)

    def pop(self):
        if not self._items:
            raise IndexError("pop from an empty stack")
        return self._items.pop()
""",
    """#include <stdio.h>
#include <stdlib.h>

/* Sieve of Eratosthenes: prints the primes up to n. */
int main(int argc, char ** argv) {
    const int n = argc > 1 ? atoi(argv[1]) : 100;
    char * composite = calloc((size_t) n + 1, 1);
    if (composite == NULL) {
        fprintf(stderr, "out of memory\\n");
        return 1;
    }
    for (int i = 2; i <= n; ++i) {
        if (composite[i]) continue;
        printf("%d ", i);
        for (long j = (long) i * i; j <= n; j += i) composite[j] = 1;
    }
    putchar('\\n');
    free(composite);
    return 0;
}
""",
    """async function fetchJson(url, { retries = 3, delay = 250 } = {}) {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (response.ok) return response.json();
    if (attempt >= retries || response.status < 500) {
      throw new Error(`${url}: ${response.status} ${response.statusText}`);
    }
    await new Promise((resolve) => setTimeout(resolve, delay * 2 ** attempt));
  }
}

const total = items.filter((item) => item.inStock).reduce((sum, item) => sum + item.price, 0);
""",
    """SELECT c.name, COUNT(o.id) AS orders, ROUND(SUM(o.total), 2) AS spent
FROM customers AS c
LEFT JOIN orders AS o ON o.customer_id = c.id AND o.placed_at >= DATE '2024-01-01'
WHERE c.country IN ('DE', 'FR', 'IT')
GROUP BY c.id, c.name
HAVING COUNT(o.id) > 2
ORDER BY spent DESC
LIMIT 20;
""",
    """#!/bin/sh
set -eu
backup="backup-$(date +%Y-%m-%d).tar.gz"
tar --exclude='*.tmp' -czf "$backup" "$HOME/documents"
find . -name 'backup-*.tar.gz' -mtime +30 -print -delete
du -sh "$backup" | awk '{ print "wrote", $2, "(" $1 ")" }'
""",
    """{"order": {"id": 48213, "placed": "2024-05-17T09:41:22Z", "customer": {"name": "J. Whitfield", "city": "Leeds"}, "lines": [{"sku": "BK-1009", "title": "Field notebook", "quantity": 3, "price": 4.50}, {"sku": "PN-0230", "title": "Fountain pen, fine", "quantity": 1, "price": 27.00}], "total": 40.50, "paid": true, "notes": null}}""",
    """<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>Opening hours</title></head>
  <body>
    <h1>Opening hours</h1>
    <table>
      <tr><th>Day</th><th>From</th><th>To</th></tr>
      <tr><td>Monday to Friday</td><td>08:00</td><td>18:30</td></tr>
      <tr><td>Saturday</td><td>09:00</td><td>13:00</td></tr>
    </table>
  </body>
</html>
""",
    """fn longest_word(text: &str) -> Option<&str> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .max_by_key(|word| word.chars().count())
}

#[test]
fn finds_the_longest() {
    assert_eq!(longest_word("a bee, a beetle!"), Some("beetle"));
    assert_eq!(longest_word("   "), None);
}
""",
    """Q: I have 17 apples, give away 5 and then buy twice as many as I have left. How many do I have?
A: After giving away 5 you have 17 - 5 = 12 apples. You buy 2 * 12 = 24 more. Altogether you have 12 + 24 = 36 apples.

Q: A train leaves at 14:48 and takes 2 hours and 35 minutes. When does it arrive?
A: 14:48 plus 2 hours is 16:48; plus 35 minutes is 17:23. It arrives at 17:23.

Q: Which is larger, 3/7 or 4/9?
A: Compare 3 * 9 = 27 with 4 * 7 = 28. Since 27 is smaller, 3/7 is smaller than 4/9.
""",
    """User: Can you make this sentence friendlier? "Send me the file today."
Assistant: Of course. "Could you please send me the file today? Thank you!"
User: A bit less formal.
Assistant: "Hey, could you send me the file today? Thanks!"
User: Perfect. Now in German.
Assistant: „Hey, könntest du mir die Datei heute schicken? Danke!“
""",
    """Photosynthesis takes place in the chloroplasts. In the light reactions water is split, oxygen is set free, and the energy of the light is stored in ATP and NADPH. In the Calvin cycle this energy is used to fix carbon dioxide in sugar. The overall balance is 6 CO2 + 6 H2O -> C6H12O6 + 6 O2. Most plants are C3 plants; maize and sugar cane are C4 plants, which lose less water in the heat.""",
    """The tenant shall return the premises in the condition in which they were received, fair wear and tear excepted. The deposit, together with the interest that has accrued, shall be repaid within two months of the end of the lease, less any sums which the landlord is entitled to withhold under section 7. Either party may terminate this agreement by giving three months' notice in writing.""",
    """Patient, 54, presents with a dry cough of three weeks' duration, no fever, no weight loss. Takes ramipril 5 mg once daily since January. Lungs clear on auscultation, SpO2 98 %. Impression: cough most likely due to the ACE inhibitor. Plan: change to candesartan 8 mg, review in four weeks, chest X-ray if there is no improvement.""",
    """Volcanic islands sink under their own weight. While the volcano is active it grows faster than the sea floor gives way; once it falls silent, waves and weather take over, and after some million years only a ring of coral shows where the coast used to be. Darwin drew the sequence without ever having seen the bottom of a lagoon: fringing reef, barrier reef, atoll.""",
)

EVALUATION = (
    """The lighthouse keeper's log for that week is short. Monday, fog. Tuesday, fog. Wednesday, fog, and a gull on the gallery that would not leave. On Thursday he wrote two pages about the gull. It had a ring on its leg with a number, and he copied the number out three times, as if it might change. On Friday the fog lifted, the gull was gone, and the log returns to wind and barometer.""",
    """Why does bread go stale faster in the refrigerator than on the table? Going stale is not drying out. When bread is baked, the starch takes up water and becomes soft and disordered; as it cools, the starch slowly crystallises again and pushes the water out. This happens fastest just above the freezing point. In the freezer it stops, which is why frozen bread tastes fresh when it has been toasted.""",
    """Memo to all drivers. From 1 September the depot's north gate is closed between 22:00 and 05:00. Use the south gate and sign the list at the porter's lodge. Vehicles with a refrigeration unit may be left running for at most ten minutes. Bay 6 is reserved for returns. Anyone who finds a pallet truck outside of the hall, please bring it in; we are missing four.""",
    """"I never said I could swim," he said, holding on to the rope. "You said you loved the sea." "From a deckchair." She laughed so hard that she nearly let go of the boat hook, and by then the others had come to look over the rail, and somebody had the good sense to throw him a ring.""",
    """When you sharpen a kitchen knife, the angle matters more than the stone. Hold the blade at about fifteen degrees, edge first, and push it across the stone as if you wanted to cut off a very thin slice. Count the strokes, and give the other side as many. When you can feel a fine burr along the whole edge, change to the finer stone and use less pressure. Test it on a tomato, not on your thumb.""",
    """Suppose that the square root of 2 were a fraction p/q in lowest terms. Then p^2 = 2 q^2, so p^2 is even, so p is even, say p = 2r. Then 4 r^2 = 2 q^2, hence q^2 = 2 r^2, and q is even as well. But then p/q was not in lowest terms: a contradiction. The same argument works for every prime in place of 2, and it fails for 4, as it must.""",
    """$$\\frac{\\partial u}{\\partial t} = \\alpha \\nabla^2 u, \\qquad \\hat{f}(\\xi) = \\int f(x)\\, e^{-2\\pi i x \\xi}\\,dx, \\qquad P(A \\mid B) = \\frac{P(B \\mid A)\\,P(A)}{P(B)}.$$ A matrix $M$ is positive definite if and only if all its leading principal minors are positive.""",
    """Am Rand der Stadt, wo die Straßenbahn wendet, gibt es einen Kiosk, der eigentlich schon seit Jahren schließen sollte. Jeden Herbst hängt ein Zettel an der Tür: »Nur noch bis Weihnachten.« Und jeden Januar hängt dort ein neuer: »Geht doch noch weiter.« Inzwischen kauft man seine Zeitung dort auch aus Neugier, ob es diesmal ernst wird.""",
    """Sehr geehrte Damen und Herren, am 3. Mai habe ich bei Ihnen einen Wasserkocher gekauft (Rechnung Nr. 20417). Nach vier Wochen schaltet er sich nicht mehr ab. Ich bitte um Austausch oder um Erstattung des Kaufpreises von 39,90 €. Mit freundlichen Grüßen""",
    """Le facteur connaissait l'écriture de tout le village. À la façon dont une adresse penchait, il savait si la lettre apportait une naissance ou une facture. Il ne disait rien, bien sûr ; mais quand il sonnait deux fois, les gens s'asseyaient avant d'ouvrir.""",
    """En la plaza hay un reloj que adelanta siete minutos. Nadie lo arregla, porque gracias a él todo el pueblo llega a tiempo al autobús. Una vez vino un técnico de la capital y lo puso en hora; aquella semana, la mitad de los niños perdió la primera clase.""",
    """Il vecchio pescatore riparava le reti seduto sulla soglia, senza guardare le mani. Diceva che le mani sanno da sole, e che guardarle le confonde. Io provai a imitarlo e feci un nodo che nessuno, nemmeno lui, riuscì più a sciogliere.""",
    """Quando a luz faltava, o avô contava histórias até ela voltar. Se a história ainda não tinha acabado quando a luz voltava, nós levantávamo-nos e apagávamos o candeeiro outra vez.""",
    """Toen de dijk werd verhoogd, verdween het uitzicht op de rivier uit alle huiskamers. Het dorp kreeg er een trap van honderd treden voor terug, en sindsdien weet iedereen precies hoe fit zijn buren zijn.""",
    """W bibliotece szkolnej była książka, której nikt nigdy nie oddał w terminie. Bibliotekarka przestała w końcu liczyć kary i zaczęła zapisywać, co kto myśli o zakończeniu.""",
    """В маленькой мастерской чинили только то, что другие отказывались чинить: зонты, пишущие машинки, музыкальные шкатулки. На стене висело объявление: «Срочно не бывает». Люди сердились, но возвращались.""",
    """每到傍晚，码头边的棋盘旁就围满了人。下棋的两位老人从不说话，说话的都是看棋的。有人出主意，有人叹气，还有人偷偷数他们这个月一共下了多少盘和棋。答案是二十三盘。""",
    """台風の前の日、母は必ずベランダの植木鉢を全部部屋に入れた。翌朝になると、居間は小さな森のようになっていて、私たちは葉の間から天気予報を見た。""",
    """할머니는 편지를 쓸 때마다 마지막 줄에 날씨를 적었다. 나중에 그 편지들을 모아 보니, 한 마을의 사십 년 치 날씨가 거기 있었다.""",
    """في السوق القديم دكان صغير لا يبيع إلا الأزرار. سألت صاحبه كيف يعيش من ذلك، فضحك وقال: «كل قميص في المدينة يفقد زرا واحدا في السنة، والمدينة كبيرة».""",
    """रेलवे स्टेशन पर चाय बेचने वाला हर यात्री से एक ही सवाल पूछता था: घर जा रहे हो या घर से? जवाब सुनकर वह चाय में चीनी कम या ज़्यादा डालता था।""",
    """Deniz feneri artık yanmıyor, ama balıkçılar dönerken yine de ona bakıyorlar. Alışkanlık, diyorlar; insan ışığı değil, yerini ezberler.""",
    """Mỗi chiều, ông giáo già mang ghế ra hiên và đọc báo cho con mèo nghe. Ông bảo nó không hiểu gì, nhưng nó là người nghe duy nhất không bao giờ ngắt lời.""",
    """import heapq


def shortest_path(graph, start, goal):
    \"\"\"Dijkstra: the length of the shortest path, or None where there is no path.\"\"\"
    queue, seen = [(0, start)], set()
    while queue:
        length, node = heapq.heappop(queue)
        if node == goal:
            return length
        if node in seen:
            continue
        seen.add(node)
        for neighbour, distance in graph[node].items():
            if neighbour not in seen:
                heapq.heappush(queue, (length + distance, neighbour))
    return None
""",
    """package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

func main() {
	counts := map[string]int{}
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Split(bufio.ScanWords)
	for scanner.Scan() {
		counts[strings.ToLower(scanner.Text())]++
	}
	for word, count := range counts {
		if count > 1 {
			fmt.Printf("%5d %s\\n", count, word)
		}
	}
}
""",
    """CREATE TABLE reading (
    sensor_id  INTEGER NOT NULL REFERENCES sensor (id) ON DELETE CASCADE,
    taken_at   TIMESTAMP NOT NULL,
    celsius    REAL CHECK (celsius BETWEEN -80 AND 150),
    PRIMARY KEY (sensor_id, taken_at)
);
CREATE INDEX reading_by_time ON reading (taken_at DESC);
UPDATE reading SET celsius = (fahrenheit - 32) * 5.0 / 9.0 WHERE celsius IS NULL;
""",
    """services:
  web:
    image: example/web:1.8
    ports: ["8080:80"]
    environment:
      LOG_LEVEL: info
      DATABASE_URL: postgres://app@db/app
    depends_on: [db]
  db:
    image: postgres:16
    volumes: [data:/var/lib/postgresql/data]
volumes:
  data: {}
""",
    """{"station": "N-17", "readings": [{"at": "2024-11-02T06:00:00Z", "wind": {"speed": 11.4, "from": 285}, "gust": 17.9, "pressure": 998.2}, {"at": "2024-11-02T06:10:00Z", "wind": {"speed": 12.0, "from": 291}, "gust": 19.3, "pressure": 997.8}], "quality": "raw", "battery": 0.83}""",
    """Q: A rectangle is 12 cm long, and its perimeter is 38 cm. What is its area?
A: Half of the perimeter is 19 cm, so the other side is 19 - 12 = 7 cm. The area is 12 * 7 = 84 square centimetres.

Q: Put these in order: 0.5, 0.45, 0.405.
A: 0.405 < 0.45 < 0.5.

Q: What day is 100 days after a Tuesday?
A: 100 = 14 * 7 + 2, so it is two days after Tuesday: a Thursday.
""",
    """User: Give me three names for a small café by a canal.
Assistant: The Lock Keeper, Slow Water, and Towpath Coffee.
User: I like the second. Write a line for the sign.
Assistant: "Slow Water. Take your time; the boats do."
""",
    """Sound travels faster in water than in air, and faster still in steel, although steel is heavier. What counts is the stiffness divided by the density: steel is about eight times as dense as water, but nearly a hundred times as stiff. In air at 20 °C sound makes 343 m/s, in water about 1,480 m/s, and in steel roughly 5,900 m/s.""",
    """The supplier warrants that the goods will be free from defects in material and workmanship for a period of twenty-four months from delivery. This warranty does not extend to parts which are subject to normal wear. Claims shall be notified in writing within ten days of the discovery of the defect, failing which they are excluded.""",
)
