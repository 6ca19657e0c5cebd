"""Recall and tool cases that training never saw: own wording, names and values of `heldout_names`.

`{v}` is the value told; in tool requests `{0}` and `{1}` are the arguments.
"""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

RECALL = {
    "name": (
        ("people", "Good to meet you, I am {v}.", "Tell me what I am called, please."), ("people", "Just so you know, my name is {v}.", "Which name belongs to me?"),
        ("people", "{v} is what people call me.", "Could you remind me of my own name?"), ("people", "You may address me as {v}.", "How do you address me?"),
        ("people", "Everybody knows me as {v}.", "What might my name be?"), ("people", "Hi! This is {v} speaking.", "Do you still know who is speaking to you?"),
    ),
    "place": (
        ("places", "My home is in {v}.", "Where is it that I live?"), ("places", "I grew up and live in {v}.", "Do you recall the city I live in?"), ("places", "I'm writing to you from {v}, where I live.", "Name the city I live in."),
    ),
    "number": (
        ("numbers", "The number I want you to keep is {v}.", "Which number did I ask you to keep?"), ("numbers", "{v} has always been my lucky number.", "My lucky number was which one?"), ("numbers", "Please store my PIN, it is {v}.", "I need my PIN back, what was it?"), ("numbers", "I stay in room number {v}.", "Which room number do I have?"),
    ),
    "word": (
        ("words", "Our secret word for today is {v}.", "Tell me which secret word we agreed on."), ("words", "The code word will be {v}.", "Which code word was agreed on?"), ("words", "My favourite animal happens to be the {v}.", "Which animal is my favourite?"),
    ),
    "pet or person": (
        ("people", "We have a cat that is called {v}.", "How is my cat called?"), ("people", "I have got a brother by the name of {v}.", "What name does my brother have?"), ("people", "My dog answers to the name {v}.", "Tell me the name of my dog."),
    ),
}
TALK = (
    "What is Q4_K_M?", "Does it run offline?", "Thanks.", "How much memory does a 3B model at Q8_0 need?", "What is a KV cache?", "Who won the race in 1988?", "Is a Pi 5 any good?", "What is prefill?", "Ok.", "Which port is it?",
)
CORRECTIONS = (
    ("My name is {a}.", "Sorry, that was wrong, my name is {b}.", "What is my name?"), ("I live in {c}.", "I moved: I live in {d} now.", "Where do I live?"), ("My lucky number is 31.", "Correction: my lucky number is 7402.", "What is my lucky number?"),
)
NEVER_TOLD = ("What is my name?", "Where do I live?", "Do you know my favourite colour?", "How old am I?", "What is my dog called?", "What is my PIN?", "What was my favourite food?", "Who am I?")
SEEN = (
    ("get_weather", ("places",), "I'm travelling to {0}. What's the weather there?"), ("get_weather", ("places",), "Could you check the weather in {0} for me?"), ("get_weather", ("places",), "Sun or rain in {0} at the moment?"),
    ("get_forecast", ("places", "days"), "What can I expect from the weather in {0} on {1}?"), ("set_timer", ("small",), "My eggs need {0} minutes, set the timer."), ("set_timer", ("small",), "Give me a timer that runs {0} minutes."),
    ("set_alarm", ("clocks",), "Let the alarm ring at {0}."), ("set_light", ("rooms", "onoff"), "Could you switch {1} the light in the {0}?"), ("set_light", ("rooms", "onoff"), "I want the light in the {0} to be {1}."),
    ("set_brightness", ("rooms", "percents"), "Bring the lamp in the {0} to {1} percent."), ("set_thermostat", ("rooms", "temps"), "Heat up the {0} until it has {1} degrees."), ("read_sensor", ("codes",), "What value does sensor {0} give at the moment?"),
    ("read_sensor", ("codes",), "Fetch me the reading from {0}."), ("get_room_temperature", ("rooms",), "How many degrees do we have in the {0}?"), ("get_humidity", ("rooms",), "Is the air in the {0} humid?"),
    ("get_device_temperature", ("devices",), "Is the {0} getting hot?"), ("get_device_temperature", ("devices",), "Tell me how hot the {0} is right now."), ("stop_machine", ("machines",), "Danger, stop {0} immediately!"), ("stop_machine", ("machines",), "Make {0} stop."), ("start_machine", ("machines",), "Get {0} running."),
    ("machine_status", ("machines",), "Is everything fine with {0}?"), ("convert_currency", ("numbers", "money", "money"), "How much would {0} {1} be in {2}?"), ("convert_units", ("numbers", "units", "units"), "Turn {0} {1} into {2} for me."),
    ("get_stock_price", ("tickers",), "At what price does {0} trade?"), ("search", ("words",), "Can you search the web for {0}?"), ("add_event", ("plans", "days"), "Please add {0} to my calendar for {1}."), ("get_events", ("days",), "Which appointments do I have on {0}?"),
    ("play_music", ("people",), "Let me hear {0}, please."), ("set_volume", ("percents",), "Turn the sound to {0} percent."), ("lookup_customer", ("people",), "Is there a customer called {0} in the database?"), ("get_order", ("codes",), "What has become of order {0}?"),
    ("get_stock", ("words",), "How many pieces of {0} are in the store?"), ("send_message", ("people", "texts"), "Write to {0}: {1}"), ("call", ("people",), "Get {0} on the phone."), ("add_reminder", ("plans", "clocks"), "Don't let me forget to {0} at {1}."),
    ("add_to_list", ("words",), "Write {0} on the shopping list."), ("get_time", ("places",), "Which time is it right now in {0}?"), ("read_file", ("files",), "Let me see what {0} contains."), ("delete_file", ("files",), "Get rid of {0}."), ("restart_service", ("words",), "Could you restart the service {0}?"),
    ("open_valve", ("codes", "percents"), "Please open valve {0} to {1} percent."), ("lock_door", ("rooms", "locks"), "Would you {1} the door of the {0}?"), ("find_flight", ("places", "places"), "Is there a flight from {0} to {1}?"), ("book_hotel", ("places", "small"), "I'll be in {0} for {1} nights and need a hotel."),
    ("get_population", ("countries",), "Tell me how populous {0} is."), ("define_word", ("words",), "I'd like the definition of the word {0}."), ("get_price", ("words",), "What will I pay for {0}?"), ("move_robot", ("rooms",), "Robot, come to the {0}!"), ("get_disk_usage", ("hosts",), "How much free space is there on {0}?"),
    ("ping_host", ("hosts",), "Does the host {0} respond?"), ("get_battery", ("hosts",), "How many percent are left in the battery of {0}?"), ("calculate", ("numbers", "sums", "numbers"), "Could you {1} {0} and {2}?"), ("evaluate", ("formulas",), "Please work this out: {0}"),
)
VALUES = {
    "numbers": ("4831", "97", "650", "12045", "306", "7719"), "days": ("Monday", "Friday", "Sunday"), "small": ("9", "23", "47"), "clocks": ("06:25", "21:55", "13:05"), "rooms": ("kitchen", "attic", "server room", "bathroom"),
    "onoff": ("on", "off"), "percents": ("35", "80", "62"), "temps": ("19", "22", "17"), "codes": ("KX-2291", "TT907", "b41c9e", "55821qr"), "devices": ("Raspberry Pi 5", "Jetson Orin Nano", "Mac mini"), "machines": ("pump 3", "press 18", "robot 7"),
    "money": ("CHF", "EUR", "INR", "USD", "NOK"), "units": ("km", "miles", "grams", "ounces", "feet"), "tickers": ("QZVX", "MHB", "LOPR"), "plans": ("call Siobhan", "buy the telescope", "feed the hedgehog"), "texts": ("the marzipan is ready", "see you at noon", "I am late"),
    "files": ("pelican.txt", "walrus.log", "telescope.csv"), "locks": ("lock", "unlock"), "countries": ("Peru", "Kenya", "Norway"), "hosts": ("Pelican", "Saxophone", "Walrus"), "sums": ("add", "multiply", "divide"), "formulas": ("48*17", "9012 - 377", "64/8"),
}
ABSTAIN = (
    ("get_weather", "Who invented the telescope?"), ("set_timer", "What is the capital of Norway?"), ("set_light", "What's the weather in Utrecht?"), ("convert_units", "Send an e-mail to Priya."), ("read_sensor", "Tell me a joke."), ("send_message", "How many people live in Peru?"),
    ("stop_machine", "Play some jazz."), ("play_music", "Stop pump 4."), ("get_stock_price", "Which river is the longest?"), ("call", "What is 12 times 9?"), ("get_news", "Book a hotel in Bergen for 3 nights."), ("find_flight", "Why is the sea salty?"),
)
PLAIN_WITH_TOOLS = (
    ("get_weather", "What is Q4_K_M?", "4.85 bits"), ("set_timer", "Can a Hailo-8 run LLMs?", "cannot run LLMs"), ("set_light", "Who are you?", "pocket"), ("stop_machine", "How much memory does a 7B model at Q4_K_M need?", "4.4 GB"), ("search", "What is GGUF?", "file format of llama.cpp"),
    ("calculate", "Hello!", "Hello"), ("read_sensor", "Which quantisation should I use?", "Q4_K_M first"), ("call", "What is the API address?", "http://127.0.0.1:8000/v1"), ("get_order", "Thank you!", "welcome"), ("send_email", "What does the KV cache do?", "earlier tokens"),
)
