"""The tools of the corpus as a table: names, what they do, parameters, questions, results.

A row is (names, description, parameters, questions, results, answer). A parameter is
(names, type, description, maker); a maker names a function of `MAKERS`. `{0}` is the first value.
"""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

import random
from collections.abc import Callable

import words

Rng = random.Random


def _clock(rng: Rng) -> str:
    return f"{rng.randint(0, 23):02d}:{rng.choice((0, 5, 10, 15, 20, 30, 40, 45, 50)):02d}"


def _phrase(rng: Rng) -> str:
    verbs = ["call", "buy", "fix", "water", "feed", "clean", "visit", "pay", "meet", "order", "read", "check", "charge", "send", "collect"]
    ends = (words.name(rng), f"the {words.word(rng)}", f"the {rng.choice(words.THINGS)}", words.invented(rng))
    return f"{rng.choice(verbs)} {rng.choice(ends)}"


def _sentence(rng: Rng) -> str:
    starts = ("I am late", "see you at noon", "the {w} is ready", "good morning", "where is the {w}", "thank you", "the {w} costs {n}", "happy birthday", "call me back", "bring the {w}")
    return rng.choice(starts).replace("{w}", words.word(rng)).replace("{n}", str(words.number(rng)))


def _decimal(rng: Rng) -> float:
    return round(rng.uniform(0.1, 500), rng.choice((1, 2)))


MAKERS: dict[str, Callable[[Rng], object]] = {
    "city": words.city, "name": words.name, "word": words.word, "code": words.code, "number": words.number,
    "small": lambda rng: rng.randint(1, 60), "percent": lambda rng: rng.randint(0, 100), "temp": lambda rng: rng.randint(5, 40),
    "room": lambda rng: rng.choice(words.ROOMS), "colour": lambda rng: rng.choice(words.COLOURS), "food": lambda rng: rng.choice(words.FOODS),
    "thing": lambda rng: rng.choice(words.THINGS), "day": lambda rng: rng.choice(words.DAYS), "month": lambda rng: rng.choice(words.MONTHS),
    "language": lambda rng: rng.choice(words.LANGUAGES), "country": lambda rng: rng.choice(words.COUNTRIES), "onoff": lambda rng: rng.choice(("on", "off")),
    "clock": _clock, "phrase": _phrase, "sentence": _sentence, "decimal": _decimal, "invented": words.invented,
    "currency": lambda rng: rng.choice(["USD", "EUR", "GBP", "JPY", "CHF", "SEK", "NOK", "INR", "CNY", "AUD", "CAD", "BRL"]),
    "unit": lambda rng: rng.choice(["km", "miles", "metres", "feet", "kg", "pounds", "grams", "litres", "gallons", "inches", "cm", "ounces"]),
    "device": lambda rng: rng.choice(words.DEVICES), "machine": lambda rng: rng.choice(("pump", "press", "mill", "fan", "belt", "line", "robot", "oven", "drill")) + " " + str(rng.randint(1, 40)),
    "email": lambda rng: f"{words.invented(rng, 2).lower()}@example.{rng.choice(('com', 'org'))}",
    "file": lambda rng: f"{words.word(rng)}.{rng.choice(('txt', 'pdf', 'csv', 'log', 'md', 'json'))}",
    "operation": lambda rng: rng.choice(("add", "subtract", "multiply", "divide")), "bool": lambda rng: rng.random() < 0.5,
    "weather": lambda rng: rng.choice(("sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "clear")),
}
CITY = ("city|location|place|town", "string", "Name of the city|The city|City|City name", "city")
ROOM = ("room|place|area|zone", "string", "The room|Name of the room|Room|Which room", "room")
TOOLS = (
    ("get_weather|weather|current_weather|fetch_weather|get_current_weather", "Get the current weather for a city|Current weather of a place|Look up the weather", (CITY,),
     ("(what is|what's|how is|how's|tell me) the weather (in|like in|for|at) {0}( now| today| right now|)?", "(weather|current weather) (in|for) {0}?", "is it (warm|cold|raining|sunny|hot) in {0}( now| today|)?", "(do I need|should I take) an umbrella in {0}?", "how (warm|cold|hot) is it in {0}?"),
     {"temperature": "temp", "condition": "weather"}, "It is {temperature} degrees and {condition} in {0}."),
    ("get_forecast|forecast|weather_forecast", "Weather forecast for a city on a day|Get the forecast", (CITY, ("day|date|when", "string", "The day|Which day", "day")),
     ("(what will the weather be|how will the weather be|what's the forecast|what is the forecast) (in|for) {0} (on |){1}?", "(forecast|weather forecast) for {0}, {1}?", "will it rain in {0} {1}?"),
     {"forecast": "weather", "high": "temp"}, "The forecast for {0} is {forecast} with a high of {high} degrees."),
    ("set_timer|start_timer|timer|create_timer", "Start a timer|Set a timer for some minutes|Set a countdown", (("minutes|duration|duration_minutes|length", "integer", "Minutes|Length in minutes|Duration in minutes", "small"),),
     ("(set|start|make|create) a timer (for|of) {0} minutes.", "(set|start) a {0}(-| )minute timer.", "timer for {0} minutes( please|).", "(wake|tell|remind|alert) me in {0} minutes.", "count down {0} minutes."),
     {"status": "=started"}, "The timer for {0} minutes is {status}."),
    ("set_alarm|alarm|create_alarm|wake_me", "Set an alarm at a time|Set an alarm clock", (("time|at|hour", "string", "Time as HH:MM|The time", "clock"),),
     ("(set|make) an alarm (for|at) {0}.", "wake me (up |)at {0}.", "alarm at {0}( please|).", "I (have|need) to get up at {0}."),
     {"status": "=set"}, "The alarm for {0} is {status}."),
    ("set_light|switch_light|light|control_light|toggle_light", "Switch a light on or off|Control the light of a room", (ROOM, ("state|power|status", "enum:on,off", "On or off|New state", "onoff")),
     ("(turn|switch) {1} the (light|lights|lamp) in the {0}.", "(turn|switch) the {0} (light|lights|lamp) {1}.", "(turn|switch) the (light|lights) in the {0} {1}.", "{0} (light|lights) {1}( please|).", "please (put|turn) {1} the {0} light."),
     {"status": "=ok"}, "The light in the {0} is {1}."),
    ("set_brightness|dim_light|brightness", "Set how bright a light is|Dim a light", (ROOM, ("percent|level|brightness", "integer", "Brightness in percent|Level from 0 to 100", "percent")),
     ("(dim|set) the (light|lamp|lights) in the {0} to {1} percent.", "(set|change) the {0} (brightness|light|lamp) to {1}( percent|%).", "make the {0} light {1} percent bright."),
     {"status": "=ok"}, "The light in the {0} is at {1} percent."),
    ("set_light_color|light_colour|set_colour", "Set the colour of a light|Change a light's colour", (ROOM, ("colour|color", "string", "The colour|Colour name", "colour")),
     ("(make|turn|set) the (light|lights|lamp) in the {0} {1}.", "(set|change) the {0} (light|lamp) to {1}."), {"status": "=ok"}, "The light in the {0} is now {1}."),
    ("set_thermostat|set_temperature|heating|set_heating", "Set the target temperature of a room|Set the heating", (ROOM, ("temperature|degrees|target|celsius", "integer", "Degrees Celsius|Target temperature", "temp")),
     ("(set|heat|warm|cool) the {0} to {1} degrees.", "(set|turn|change) the (heating|thermostat|temperature) in the {0} to {1}( degrees|).", "I want {1} degrees in the {0}.", "make the {0} {1} degrees warm."), {"status": "=ok"}, "The {0} is set to {1} degrees."),
    ("read_sensor|get_sensor|sensor_value|sensor|get_sensor_reading", "Read a sensor|Get the value of a sensor|Current sensor reading", (("sensor|sensor_id|id|name", "string", "Sensor name|Id of the sensor", "code"),),
     ("(read|check|query) sensor {0}.", "(what is|what's) the (value|reading) of sensor {0}?", "what does sensor {0} (say|show|read|measure)?", "sensor {0}?", "give me the (value|reading) of (sensor |){0}."), {"value": "decimal"}, "Sensor {0} reads {value}."),
    ("get_room_temperature|room_temperature|indoor_temperature", "Temperature in a room|Measure the temperature of a room", (ROOM,),
     ("how (warm|cold|hot) is (it in |)the {0}?", "(what is|what's) the temperature (in|of) the {0}?", "{0} temperature?", "is it (warm|cold) in the {0}?"), {"celsius": "temp"}, "It is {celsius} degrees in the {0}."),
    ("get_humidity|humidity|read_humidity", "Humidity of a room in percent|Measure humidity", (ROOM,),
     ("how (humid|damp|dry) is (it in |)the {0}?", "(what is|what's) the humidity (in|of) the {0}?", "humidity in the {0}?"), {"humidity": "percent"}, "The humidity in the {0} is {humidity} percent."),
    ("get_device_temperature|cpu_temperature|device_temperature|chip_temperature", "Temperature of the device's CPU|How hot a device is", (("device|host|board|machine", "string", "Name of the device|The device", "device"),),
     ("how hot is (the|my) {0}?", "(what is|what's) the (CPU |chip |)temperature of (the|my) {0}?", "(check|read) the temperature of (the|my) {0}.", "is (the|my) {0} too hot?"), {"celsius": "temp"}, "The {0} is at {celsius} degrees."),
    ("get_battery|battery_level|battery", "Battery charge of a device in percent|Read the battery level", (("device|name|host", "string", "The device|Device name", "invented"),),
     ("how full is the battery of {0}?", "(what is|what's) the battery (level|charge|status) of {0}?", "battery of {0}?", "does {0} need charging?"), {"percent": "percent"}, "The battery of {0} is at {percent} percent."),
    ("stop_machine|halt_machine|emergency_stop|shutdown_machine", "Stop a machine|Halt a machine at once", (("machine|machine_id|name|unit", "string", "The machine|Name of the machine", "machine"),),
     ("(stop|halt|shut down|switch off|turn off) {0}( now| at once| please| immediately|).", "(stop|halt) the machine {0}.", "{0} must (stop|be stopped)( now|)."), {"status": "=stopped"}, "The machine {0} is {status}."),
    ("start_machine|run_machine|machine_on", "Start a machine|Switch a machine on", (("machine|machine_id|name|unit", "string", "The machine|Name of the machine", "machine"),),
     ("(start|run|switch on|turn on|launch) {0}( now| please|).", "(start|run) the machine {0}."), {"status": "=running"}, "The machine {0} is {status}."),
    ("machine_status|get_machine_status|check_machine", "Status of a machine|Check what a machine is doing", (("machine|machine_id|name|unit", "string", "The machine|Name of the machine", "machine"),),
     ("(what is|what's|check|show|get) the (status|state) of {0}(?|.)", "is {0} (running|on|ok|working)?", "how is {0} doing?"), {"state": "!idle,running,stopped,in maintenance"}, "The machine {0} is {state}."),
    ("calculate|calculator|compute|math", "Calculate with two numbers|Do arithmetic", (("a|x|first|left", "number", "First number", "number"), ("operation|operator|op", "enum:add,subtract,multiply,divide", "What to do", "operation"), ("b|y|second|right", "number", "Second number", "number")),
     ("{1} {0} and {2}.", "(please|can you) {1} {0} and {2}.", "calculate: {1} {0} and {2}."), {"result": "number"}, "The result is {result}."),
    ("evaluate|calculator|calc|eval_expression", "Evaluate an arithmetic expression|Calculator", (("expression|formula|input", "string", "The expression|Expression to evaluate", "@sum"),),
     ("(what is|what's|calculate|compute|how much is|evaluate|work out) {0}?", "{0} = ?", "{0}?"), {"result": "number"}, "The result is {result}."),
    ("convert_currency|currency|exchange|exchange_money", "Convert money between currencies|Currency conversion", (("amount|sum|value", "number", "Amount of money|How much", "number"), ("from|source|from_currency", "string", "Currency to convert from", "currency"), ("to|target|to_currency", "string", "Currency to convert to", "currency")),
     ("(convert|change|exchange) {0} {1} (to|into) {2}.", "how much (is|are) {0} {1} in {2}( please|)?", "{0} {1} in {2}?", "what are {0} {1} worth in {2}?"), {"amount": "decimal"}, "{0} {1} are {amount} {2}."),
    ("convert_units|unit_converter|convert|convert_unit", "Convert a value from one unit to another|Unit conversion", (("value|amount|quantity", "number", "The value", "number"), ("from_unit|from|source_unit", "string", "Unit to convert from", "unit"), ("to_unit|to|target_unit", "string", "Unit to convert to", "unit")),
     ("(convert|change) {0} {1} (to|into) {2}.", "how (much|many) {2} (is|are) {0} {1}?", "{0} {1} in {2}?", "what is {0} {1} in {2}?"), {"result": "decimal"}, "{0} {1} are {result} {2}."),
    ("get_stock_price|stock_price|stock|quote", "Price of a share|Get the stock price of a symbol", (("symbol|ticker|company|stock", "string", "The symbol|Ticker", "@ticker"),),
     ("(what is|what's) the (stock price|share price|price) of {0}?", "how (is|are) {0} (shares |stock |)doing?", "(stock|share) price of {0}?", "(quote|look up|get the price of) {0}."), {"price": "decimal"}, "{0} is at {price}."),
    ("search|web_search|search_web|find", "Search the web|Look something up on the web", (("query|q|text|terms", "string", "What to search for|Search words", "@topic"),),
     ("(search|look|google) for {0}.", "(search|look up|find) {0} (on the web|online|on the internet).", "(search|look) the web for {0}.", "find (something|pages|articles) about {0}."), {"result": "sentence"}, "I found this: {result}."),
    ("add_event|create_event|calendar_add|schedule", "Put an event into the calendar|Create a calendar event", (("title|event|name|what", "string", "Title of the event", "phrase"), ("day|date|when", "string", "The day", "day")),
     ("(put|add|write) {0} (into|in|on) (my|the) calendar (for|on) {1}.", "schedule {0} (for|on) {1}.", "(plan|add) {0} on {1}."), {"status": "=added"}, "The event {0} is {status} for {1}."),
    ("get_events|list_events|calendar|read_calendar", "Events of a day in the calendar|Read the calendar", (("day|date|when", "string", "The day", "day"),),
     ("what (is|do I have|is planned) (in my calendar |)(on |for |){0}?", "(what are|show|list) my (appointments|events|plans) (for|on) {0}(?|.)", "am I (free|busy) (on |){0}?"), {"events": "phrase"}, "For {0} you have: {events}."),
    ("play_music|play|play_song|music", "Play music|Play a song or artist", (("song|title|query|artist|track", "string", "Song or artist|What to play", "@song"),),
     ("play {0}( please| now|).", "(play|put on) (some|the song) {0}.", "I want to (hear|listen to) {0}.", "(can|could) you play {0}?"), {"status": "=playing"}, "Now playing {0}."),
    ("set_volume|volume|change_volume", "Set the volume|Change the loudness", (("level|percent|volume", "integer", "Volume from 0 to 100|Percent", "percent"),),
     ("(set|change|turn|put) the volume to {0}( percent|).", "volume {0}( please|).", "make it {0} percent loud."), {"status": "=ok"}, "The volume is at {0}."),
    ("lookup_customer|find_customer|get_customer|query_database", "Look up a customer in the database|Find a customer", (("name|customer|who|customer_name", "string", "Name of the customer|The customer", "name"),),
     ("(look up|find|show me|get) (the |)customer {0}.", "(look|search) for {0} in the (customer |)database.", "who is (our |the |)customer {0}?"), {"customer_id": "number", "city": "city"}, "Customer {0} has the number {customer_id} and lives in {city}."),
    ("get_order|order_status|track_order|check_order", "Status of an order|Look up an order", (("order_id|order|id|number", "string", "Order number|The order", "code"),),
     ("where is (my |)order {0}?", "(what is|what's) the status of order {0}?", "(track|check|look up) (my |)order {0}.", "has order {0} (shipped|been sent|arrived)?"), {"status": "!shipped,in the warehouse,delivered,on its way"}, "Order {0} is {status}."),
    ("get_stock|inventory|check_inventory|count_items", "How many of an item are in stock|Check the inventory", (("item|product|article|thing", "string", "The item|Name of the product", "thing"),),
     ("how (many|much) {0} (do we have|are left|is left|are in stock|is in stock)?", "(is|are) there {0} in stock?", "do we (still |)have {0}?", "(check|look up) the stock of {0}."), {"count": "number"}, "There are {count} {0} in stock."),
    ("translate|translate_text|translation|translator", "Translate a text|Translate into another language", (("text|sentence|phrase|input", "string", "The text|Text to translate", "sentence"), ("language|target|to|target_language", "string", "Target language", "language")),
     ("translate \"{0}\" (to|into) {1}.", "how do you say \"{0}\" in {1}?", "what is \"{0}\" in {1}?", "(say|write) \"{0}\" in {1}.", "translate (this |)(to|into) {1}: {0}"), {"translation": "invented"}, "In {1} it is: {translation}."),
    ("send_email|email|mail|write_email", "Send an e-mail|Write an e-mail to somebody", (("to|recipient|address|receiver", "string", "Address of the receiver|Who gets it", "email"), ("text|body|message|content", "string", "The text|What it says", "sentence")),
     ("(send|write) an e-mail to {0}: {1}", "(e-mail|email|mail) {0} (that |saying |){1}.", "(send|write) {0} (an email|a mail) (saying|with the text) {1}."), {"status": "=sent"}, "The e-mail to {0} is {status}."),
    ("send_message|message|text|send_sms", "Send a message to a person|Text somebody", (("to|recipient|person|contact", "string", "Who gets it|Name of the contact", "name"), ("text|body|message|content", "string", "The text|What it says", "sentence")),
     ("(text|message|tell|write) {0}: {1}", "(send|write) {0} a message: {1}", "(send a message|write) to {0} (that says|saying) {1}.", "tell {0} {1}."), {"status": "=sent"}, "The message to {0} is {status}."),
    ("call|phone_call|make_call|dial", "Call a person|Make a phone call", (("name|contact|person|who", "string", "Who to call|Name of the contact", "name"),),
     ("(call|phone|ring) {0}( please| now|).", "(make|start) a call to {0}.", "I (want|need) to (speak|talk) to {0}.", "dial {0}."), {"status": "=calling"}, "Calling {0}."),
    ("add_reminder|remind|create_reminder|set_reminder", "Create a reminder|Remind the user of something", (("text|what|task|title", "string", "What to remember|The reminder", "phrase"), ("time|at|when", "string", "Time as HH:MM|When", "clock")),
     ("remind me to {0} at {1}.", "(set|create|add) a reminder to {0} at {1}.", "at {1} remind me to {0}."), {"status": "=set"}, "The reminder to {0} is {status} for {1}."),
    ("add_to_list|shopping_list|add_item|buy_item", "Put an item on the shopping list|Add to a list", (("item|product|what|thing", "string", "The item|What to add", "thing"),),
     ("(add|put) {0} (to|on) (the|my) (shopping list|list).", "(we|I) need {0}.", "{0} (to|on) the shopping list( please|).", "we are out of {0}."), {"status": "=added"}, "{0} is on the list."),
    ("add_task|create_task|todo_add|new_task", "Add a task to the to-do list|Create a task", (("task|title|text|what", "string", "The task|What to do", "phrase"),),
     ("(add|put|write) {0} (to|on) (my|the) (to-do list|tasks|todo list).", "(new|create a) task: {0}", "I (have|need) to {0}, (note|write) it down."), {"status": "=added"}, "The task {0} is {status}."),
    ("get_time|current_time|time_in|clock", "Current time in a city|What time it is somewhere", (CITY,),
     ("what time is it in {0}( now|)?", "(what is|what's|tell me) the (time|local time|current time) in {0}?", "time in {0}?", "how late is it in {0}?"), {"time": "clock"}, "It is {time} in {0}."),
    ("read_file|open_file|cat_file|get_file", "Read a file|Show what a file says", (("path|file|filename|name", "string", "Name of the file|The path", "file"),),
     ("(read|open|show|print) (the file |){0}.", "what (is in|does) (the file |){0}( say|)?", "show me (the contents of |){0}."), {"text": "sentence"}, "The file {0} says: {text}."),
    ("delete_file|remove_file|rm", "Delete a file|Remove a file", (("path|file|filename|name", "string", "Name of the file|The path", "file"),),
     ("(delete|remove|erase) (the file |){0}( please|).", "I (do not|don't) need {0} any more, (delete|remove) it."), {"status": "=deleted"}, "The file {0} is {status}."),
    ("restart_service|restart|service_restart", "Restart a service|Restart a program of the system", (("service|name|unit", "string", "Name of the service|The service", "word"),),
     ("restart (the service |){0}( service|)( please|).", "(the service |){0} (hangs|is stuck), restart it.", "please restart {0}."), {"status": "=restarted"}, "The service {0} is {status}."),
    ("open_valve|set_valve|valve", "Open or close a valve|Set how far a valve is open", (("valve|valve_id|id|name", "string", "The valve|Id of the valve", "code"), ("percent|opening|position", "integer", "How far it is open, 0 to 100", "percent")),
     ("(open|set|move) valve {0} to {1}( percent|%).", "(set|put) the valve {0} (at|to) {1} percent.", "valve {0} to {1} percent( please|)."), {"status": "=ok"}, "Valve {0} is at {1} percent."),
    ("lock_door|door_lock|set_lock|door", "Lock or unlock a door|Control a door", (("door|name|which|room", "string", "Which door|The door", "room"), ("action|command", "enum:lock,unlock", "What to do", "!lock,unlock")),
     ("{1} the (door of the {0}|{0} door).", "(please|can you) {1} the {0} door."), {"status": "=ok"}, "The {0} door: {1} done."),
    ("set_blinds|blinds|move_blinds", "Open or close the blinds|Move the blinds of a room", (ROOM, ("action|command|position", "enum:open,close", "What to do", "!open,close")),
     ("{1} the (blinds|curtains|shutters) in the {0}.", "{1} the {0} (blinds|curtains|shutters)( please|)."), {"status": "=ok"}, "The blinds in the {0}: {1} done."),
    ("find_restaurant|search_restaurants|restaurant", "Find a restaurant|Search restaurants in a city", (CITY, ("food|cuisine|dish", "string", "Kind of food", "food")),
     ("(find|search|book) (a restaurant|a place) (with|for|that has) {1} in {0}.", "where can I eat {1} in {0}?", "I want (to eat |){1} in {0}.", "{1} in {0}?"), {"name": "invented"}, "You can eat {1} at {name} in {0}."),
    ("book_hotel|reserve_hotel|hotel", "Book a hotel|Reserve a hotel room", (CITY, ("nights|days|count", "integer", "Number of nights", "small")),
     ("(book|reserve|find) a (hotel|room|hotel room) in {0} for {1} nights.", "I (need|want) a (hotel|room) in {0} for {1} nights.", "{1} nights in {0}( please|)."), {"hotel": "invented", "price": "number"}, "The hotel {hotel} in {0} costs {price} for {1} nights."),
    ("find_flight|search_flights|flights|book_flight", "Find flights between two cities|Search flights", (("from|origin|departure|source", "string", "City of departure", "city"), ("to|destination|arrival|target", "string", "City of arrival", "city")),
     ("(find|search|book|show) (a flight|flights) from {0} to {1}.", "(fly|I want to fly|I need to get) from {0} to {1}.", "flights {0} to {1}?", "how do I (fly|get) from {0} to {1}?"), {"flight": "code", "price": "number"}, "Flight {flight} from {0} to {1} costs {price}."),
    ("get_route|route|directions|distance", "Route between two places|Distance and time between two cities", (("from|origin|start|source", "string", "Start", "city"), ("to|destination|end|target", "string", "End|Destination", "city")),
     ("how (far|long) is (it|the way) from {0} to {1}?", "(what is|what's) the (distance|way|route) (from|between) {0} (to|and) {1}?", "how do I (drive|go|walk) from {0} to {1}?", "(directions|route) from {0} to {1}."), {"km": "number"}, "It is {km} km from {0} to {1}."),
    ("get_news|news|headlines|latest_news", "Latest news on a topic|Get headlines", (("topic|subject|about|query", "string", "The topic|What about", "@topic"),),
     ("(what is|what's|any|show me the|get the) (new|news|latest news|headlines) (about|on) {0}(?|.)", "news (about|on) {0}?"), {"headline": "sentence"}, "The latest on {0}: {headline}."),
    ("get_population|population|count_people", "Number of people in a country|Population of a country", (("country|nation|name", "string", "The country|Name of the country", "country"),),
     ("how many people live in {0}?", "(what is|what's) the population of {0}?", "population of {0}?"), {"population": "number"}, "{population} people live in {0}."),
    ("get_capital|capital|capital_city", "Capital of a country|Look up the capital city", (("country|nation|name", "string", "The country|Name of the country", "country"),),
     ("(what is|what's|tell me) the capital (city |)of {0}?", "capital of {0}?", "which city is the capital of {0}?"), {"capital": "city"}, "The capital of {0} is {capital}."),
    ("define_word|dictionary|lookup_word|get_definition", "Meaning of a word|Look up a word in the dictionary", (("word|term|entry", "string", "The word", "word"),),
     ("what does the word {0} mean?", "(define|look up) the word {0}.", "(what is|what's) the (meaning|definition) of the word {0}?"), {"meaning": "sentence"}, "{0}: {meaning}."),
    ("water_plants|irrigate|start_irrigation|sprinkler", "Water a part of the garden|Start the sprinkler", (("zone|area|bed|plants", "string", "Which plants|The zone", "@zone"), ("minutes|duration|time", "integer", "Minutes|For how long", "small")),
     ("water the {0} for {1} minutes.", "(start|run|turn on) the (sprinkler|irrigation|water) (in|for|at) the {0} for {1} minutes.", "give the {0} water for {1} minutes."), {"status": "=started"}, "The {0} is being watered for {1} minutes."),
    ("feed_pet|feed|feeder|dispense_food", "Feed a pet|Run the feeder", (("pet|name|animal", "string", "Name of the pet", "name"), ("grams|amount|portion", "integer", "Grams of food", "number")),
     ("feed {0} {1} grams.", "give {0} {1} grams of food.", "{0} (gets|should get) {1} grams( of food|)."), {"status": "=fed"}, "{0} got {1} grams."),
    ("take_picture|camera|snapshot|photo", "Take a picture with a camera|Get a camera image", (("camera|place|name|where", "string", "Which camera|The camera", "room"),),
     ("(take|make) a (picture|photo|snapshot) (of|in|with the camera in) the {0}.", "show me the {0}( camera|).", "what does the camera in the {0} (see|show)?"), {"image": "file"}, "The picture of the {0} is {image}."),
    ("get_air_quality|air_quality|co2", "Air quality of a city|Measure the air", (CITY,),
     ("how (good|bad|clean) is the air in {0}?", "(what is|what's) the air quality in {0}?", "air quality in {0}?"), {"index": "number"}, "The air quality index in {0} is {index}."),
    ("get_user|user_info|find_user|user_profile", "Profile of a user|Look up a user", (("user|user_id|id|username", "string", "The user|User name", "invented"),),
     ("(show|get|find|look up) (the |)(user|profile of|account of) {0}.", "(what do we know|tell me) about user {0}(?|.)"), {"email": "email"}, "User {0} has the address {email}."),
    ("add_note|note|write_note|save_note", "Save a note|Write a note", (("text|note|content|body", "string", "The text|What to note", "sentence"),),
     ("(note|write down|save a note|make a note)(:|) {0}", "(take|write) a note(:| saying|) {0}"), {"status": "=saved"}, "The note is {status}."),
    ("get_price|price_of|product_price|lookup_price", "Price of a product|Look up what something costs", (("product|item|article|name", "string", "The product", "thing"),),
     ("how much (is|are|does|do) (the |){0}( cost|)?", "(what is|what's) the price of (the |){0}?", "what do(es|) {0} cost?", "price of {0}?"), {"price": "decimal"}, "The price of {0} is {price}."),
    ("roll_dice|dice|random_number|throw_dice", "Roll a die with some sides|Random number", (("sides|max|faces|up_to", "integer", "Number of sides|Largest number", "small"),),
     ("roll a (die|dice) with {0} sides.", "(throw|roll) a {0}(-| )sided (die|dice).", "(give me|pick) a random number up to {0}."), {"number": "small"}, "The number is {number}."),
    ("move_robot|drive|robot_move|go_to", "Send the robot to a room|Move the robot", (("target|destination|room|to", "string", "Where to go|The room", "room"),),
     ("(send|move|drive) the robot (to|into) the {0}.", "(go|drive|move) to the {0}( please| now|).", "robot, (go|drive) to the {0}."), {"status": "=moving"}, "The robot drives to the {0}."),
    ("vacuum|clean_room|start_vacuum|start_cleaning", "Vacuum a room|Start cleaning", (ROOM,),
     ("(vacuum|clean|hoover) the {0}( please| now|).", "the {0} is dirty, (clean|vacuum) it.", "start cleaning (in |)the {0}."), {"status": "=started"}, "The cleaning of the {0} has {status}."),
    ("set_fan|fan_speed|fan|ventilation", "Set the speed of a fan|Control the ventilation", (ROOM, ("speed|level|step", "integer", "Speed from 0 to 10", "small")),
     ("(set|turn|put) the fan in the {0} to {1}.", "{0} fan (speed|level|to) {1}.", "(set|change) the {0} fan to (speed|level|step) {1}."), {"status": "=ok"}, "The fan in the {0} is at {1}."),
    ("get_disk_usage|disk_space|disk_usage|free_space", "Free disk space of a host|How full a disk is", (("host|server|machine|device", "string", "Name of the host|The server", "invented"),),
     ("how (full|much space) is (left on |)(the disk of |){0}?", "(what is|what's|check|show) the disk (usage|space) (of|on) {0}(?|.)", "disk space on {0}?"), {"free_gb": "number"}, "{0} has {free_gb} GB free."),
    ("ping_host|ping|check_host|is_online", "Check if a host answers|Ping a host", (("host|server|machine|name", "string", "Name of the host|The host", "invented"),),
     ("(ping|check|try) (the host |the server |){0}.", "is (the server |the host |){0} (up|online|alive|reachable)?", "does {0} answer?"), {"ms": "small"}, "{0} answers in {ms} ms."),
    ("send_alert|alert|raise_alarm|notify", "Send an alert to the operators|Raise an alert", (("message|text|what|reason", "string", "The text|Why", "sentence"),),
     ("(send|raise) an alert(:| saying|) {0}", "(alert|notify|warn) the (operators|team)(:|) {0}"), {"status": "=sent"}, "The alert is {status}."),
    ("get_sunrise|sunrise|sun_times", "When the sun rises in a city|Time of sunrise", (CITY,),
     ("when (does|will) the sun rise in {0}?", "(what time is|when is) (the |)sunrise in {0}?", "sunrise in {0}?"), {"sunrise": "clock"}, "The sun rises at {sunrise} in {0}."),
)
HELD_TOOLS = (
    ("get_tide|tide_table", "Tide of a harbour", (("harbour", "string", "Name of the harbour", "city"),), ("when is high tide in {0}?", "high tide at {0}?"), {"time": "clock"}, ""),
    ("count_bees|hive_count", "Number of bees in a hive", (("hive", "string", "Which hive", "code"),), ("how many bees are in hive {0}?", "count the bees of hive {0}."), {"count": "number"}, ""),
    ("charge_car|start_charging", "Charge the car up to a level", (("percent", "integer", "Charge level in percent", "percent"),), ("charge the car to {0} percent.", "load the car battery up to {0} percent."), {"status": "=ok"}, ""),
    ("get_river_level|water_level", "Water level of a river", (("river", "string", "Name of the river", "invented"),), ("how high is the river {0}?", "what is the water level of the {0}?"), {"cm": "number"}, ""),
    ("park_ticket|buy_parking", "Buy a parking ticket", (("plate", "string", "Number plate", "code"), ("hours", "integer", "Number of hours", "small")), ("buy a parking ticket for {0} for {1} hours.", "park {0} for {1} hours."), {"status": "=ok"}, ""),
    ("print_label|label_printer", "Print a label", (("text", "string", "Text on the label", "code"), ("copies", "integer", "How many copies", "small")), ("print the label {0} {1} times.", "I need {1} labels that say {0}."), {"status": "=ok"}, ""),
    ("set_oven|oven", "Heat the oven", (("degrees", "integer", "Degrees Celsius", "number"),), ("heat the oven to {0} degrees.", "oven to {0} degrees please."), {"status": "=ok"}, ""),
    ("book_table|reserve_table", "Reserve a table", (("guests", "integer", "Number of guests", "small"), ("time", "string", "Time as HH:MM", "clock")), ("book a table for {0} guests at {1}.", "reserve a table at {1} for {0} people."), {"status": "=ok"}, ""),
    ("bus_departure|next_bus", "Next bus from a stop", (("stop", "string", "Name of the stop", "invented"),), ("when does the next bus leave from {0}?", "next bus at {0}?"), {"time": "clock"}, ""),
    ("find_book|library_search", "Find a book in the library", (("author", "string", "Who wrote it", "name"),), ("which books by {0} does the library have?", "find a book by {0}."), {"shelf": "code"}, ""),
)
