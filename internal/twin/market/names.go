package market

// Names are common given and family names put together at random; companies are invented and live under .example
// (RFC 2606), so no address of the market exists.

type given struct {
	name, nick string
}

var givenNames = []given{
	{"William", "Bill"}, {"Robert", "Bob"}, {"Elizabeth", "Liz"}, {"Katherine", "Kate"}, {"Michael", "Mike"}, {"Thomas", "Tom"},
	{"Margaret", "Maggie"}, {"Alexander", "Alex"}, {"Jennifer", "Jen"}, {"Christopher", "Chris"}, {"Matthew", "Matt"}, {"Daniel", "Dan"},
	{"Nicholas", "Nick"}, {"Samantha", "Sam"}, {"Benjamin", "Ben"}, {"Victoria", "Vicky"}, {"Joseph", "Joe"}, {"Patricia", "Pat"},
	{"Andrew", "Andy"}, {"Rebecca", "Becky"}, {"James", "Jim"}, {"Susanne", "Susi"}, {"Johannes", "Hannes"}, {"Friedrich", "Fritz"},
	{"Anna", ""}, {"Laura", ""}, {"Jonas", ""}, {"Maria", ""}, {"Paul", ""}, {"Sofia", ""}, {"Lukas", ""}, {"Emma", ""}, {"Noah", ""},
	{"Chloé", ""}, {"Émile", ""}, {"José", "Pepe"}, {"Francisco", "Paco"}, {"Giulia", ""}, {"Matteo", ""}, {"Ingrid", ""}, {"Lars", ""},
	{"Priya", ""}, {"Arjun", ""}, {"Mei", ""}, {"Kenji", ""}, {"Fatima", ""}, {"Omar", ""}, {"Zoë", ""}, {"Björn", ""}, {"Siobhán", ""},
}

var familyNames = []string{
	"Miller", "Schmidt", "Johnson", "Weber", "Taylor", "Brown", "Müller", "García", "Rossi", "Dubois", "Nguyen", "Patel", "Kim", "Novak",
	"Andersson", "Jensen", "O'Brien", "van Dijk", "de Vries", "Fischer", "Wagner", "Becker", "Clark", "Lewis", "Walker", "Hall", "Young",
	"King", "Wright", "Scott", "Green", "Baker", "Adams", "Nelson", "Carter", "Mitchell", "Roberts", "Turner", "Phillips", "Campbell",
	"Parker", "Evans", "Edwards", "Collins", "Stewart", "Sánchez", "Morris", "Rogers", "Reed", "Cook", "Morgan", "Bell", "Murphy", "Bailey",
	"Rivera", "Cooper", "Richardson", "Cox", "Howard", "Ward", "Torres", "Peterson", "Gray", "Ramírez", "Watson", "Brooks", "Kelly",
	"Sanders", "Price", "Bennett", "Wood", "Barnes", "Ross", "Henderson", "Coleman", "Jenkins", "Perry", "Powell", "Long", "Hughes",
}

var companyFirst = []string{
	"North", "Blue", "Bright", "Silver", "Iron", "Clear", "Red", "Quiet", "Swift", "Stone", "Green", "High", "Deep", "Open", "Sun",
	"Moon", "River", "Field", "Cloud", "Copper", "Amber", "Falcon", "Cedar", "Maple", "Granite", "Harbor", "Summit", "Vertex", "Orbit",
	"Pixel", "Lumen", "Quanta", "Nova", "Atlas", "Helio", "Terra", "Aqua", "Delta", "Sigma", "Prime", "Union", "Crown", "Metro", "Alpine",
	"Boreal", "Castor", "Dorado", "Ember", "Fjord", "Glacier",
}

var companySecond = []string{
	"wind", "bridge", "forge", "peak", "stack", "field", "water", "gate", "path", "light", "port", "works", "line", "leaf", "wave", "point",
	"craft", "flow", "grid", "dale", "ridge", "mark", "shore", "spring", "well", "wood", "yard", "mill", "loom", "crest",
}

var companyThird = []string{
	"Labs", "Systems", "Software", "Logistics", "Analytics", "Media", "Health", "Energy", "Retail", "Foods", "Robotics", "Finance",
	"Studios", "Networks", "Partners", "Mobility", "Security", "Materials", "Education", "Travel",
}

// legalForms by country: the first is what the commercial register says.
var legalForms = map[string][]string{
	"US": {"Inc.", "Inc", "Incorporated", "LLC", "Corp."}, "DE": {"GmbH", "Gmbh", "GmbH & Co. KG", "AG"}, "GB": {"Ltd", "Limited", "Ltd."},
	"FR": {"SAS", "S.A.S.", "SARL"}, "NL": {"B.V.", "BV"}, "ES": {"S.L.", "SL"}, "SE": {"AB"}, "CA": {"Inc.", "Ltd."}, "IN": {"Pvt Ltd"},
}

type country struct {
	code, name, region, currency, phone string
	weight                              int
}

// countries with the region whose consent rules hold there and the currency they pay in.
var countries = []country{
	{"US", "United States", "US", "usd", "+1415555", 46}, {"DE", "Germany", "EU", "eur", "+4930901", 16},
	{"GB", "United Kingdom", "UK", "usd", "+4420794", 10}, {"FR", "France", "EU", "eur", "+3319900", 8},
	{"NL", "Netherlands", "EU", "eur", "+3120555", 6}, {"ES", "Spain", "EU", "eur", "+3491555", 5},
	{"SE", "Sweden", "EU", "eur", "+4687555", 3}, {"CA", "Canada", "CA", "usd", "+1613555", 4}, {"IN", "India", "OTHER", "usd", "+9180555", 2},
}

type jobTitle struct {
	title     string
	seniority int // 0 user, 1 lead, 2 head, 3 executive
}

var jobTitles = []jobTitle{
	{"Analyst", 0}, {"Data Engineer", 0}, {"Marketing Specialist", 0}, {"Accountant", 0}, {"Operations Manager", 1},
	{"Marketing Manager", 1}, {"Revenue Operations Manager", 1}, {"Head of Marketing", 2}, {"Director of Sales", 2}, {"Head of Data", 2},
	{"VP Marketing", 3}, {"CFO", 3}, {"CRO", 3}, {"Chief Executive Officer", 3},
}

var industries = []string{"COMPUTER_SOFTWARE", "FINANCIAL_SERVICES", "RETAIL", "LOGISTICS_AND_SUPPLY_CHAIN", "HOSPITAL_HEALTH_CARE", "MARKETING_AND_ADVERTISING", "RENEWABLES_ENVIRONMENT"}

var freeMail = []string{"gmail.com", "outlook.com", "gmx.example", "proton.example"}

var roleInboxes = []string{"info", "sales", "office", "contact", "team"}

var dummyAddresses = []string{"test@test.example", "asdf@asdf.example", "none@none.example"}
