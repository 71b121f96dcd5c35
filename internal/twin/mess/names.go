package mess

import "strings"

// Given and family names, common ones of several countries in no order that says how common; the draw makes the first ones
// of each list more frequent (Zipf). Companies are put together from invented words. All addresses lie under .example
// (RFC 2606) or at free-mail names that do not exist.
var (
	givenNames = strings.Fields(`James Mary Michael Maria Robert Anna William Sarah Thomas Laura David Julia Daniel Emma Christopher Lisa Andrew Elena
		Peter Sophie Paul Katharina Martin Susan Stefan Linda Alexander Karen Joseph Nancy Mark Sandra John Claudia Richard Petra Charles Monika
		Matthew Andrea Anthony Nicole Steven Sabine Kevin Christine Brian Martina George Birgit Edward Ursula Ronald Jennifer Timothy Elizabeth Jason
		Patricia Jeffrey Barbara Ryan Jessica Jacob Margaret Gary Dorothy Nicholas Ashley Eric Kimberly Jonathan Donna Stephen Emily Larry Michelle
		Justin Carol Scott Amanda Brandon Melissa Benjamin Deborah Samuel Stephanie Gregory Rebecca Frank Sharon Raymond Cynthia Patrick Kathleen
		Jack Amy Dennis Shirley Jerry Angela Tyler Helen Aaron Ruth Jose Brenda Henry Pamela Adam Virginia Douglas Katherine Nathan Catherine Zachary
		Nina Luca Giulia Marco Francesca Matteo Chiara Lorenzo Valentina Pierre Camille Antoine Manon Julien Lucie Mathieu Claire Nicolas Amélie
		Carlos Lucía Javier Carmen Miguel Pilar Alejandro Isabel Diego Paula Lars Ingrid Erik Astrid Mikkel Freja Jens Karin Anders Sigrid
		Jan Eva Piotr Agnieszka Tomasz Zofia Pavel Jana Ivan Olga Dmitri Natalia Mehmet Ayşe Emre Elif Omar Fatima Ahmed Layla Arjun Priya Rahul
		Ananya Wei Mei Hiroshi Yuki Minh Linh Kwame Ama Chidi Ngozi Liam Siobhán Sean Niamh Noah Mia Leon Hannah Felix Lena Jonas Marie Tim Clara
		Moritz Greta Oskar Frieda Anton Ida Theo Ella Emil Mathilda Finn Charlotte Bruno Johanna Ruben Femke Daan Sanne Bram Lotte Thijs Anouk`)
	familyNames = strings.Fields(`Smith Müller Johnson Schmidt Williams García Brown Rossi Jones Martin Miller Schneider Davis Fischer Rodríguez Weber Wilson
		Meyer Martínez Wagner Anderson Becker Taylor Schulz Thomas Hoffmann Hernández Schäfer Moore Koch Jackson Bauer Thompson Richter White Klein
		López Wolf Lee Schröder González Neumann Harris Schwarz Clark Zimmermann Lewis Braun Robinson Krüger Walker Hofmann Pérez Hartmann Hall Lange
		Young Schmitt Allen Werner Sánchez Krause Wright Meier King Lehmann Scott Schmid Green Schulze Baker Maier Adams Köhler Nelson Herrmann Hill
		König Ramírez Walter Campbell Mayer Mitchell Huber Roberts Kaiser Carter Fuchs Phillips Peters Evans Lang Turner Scholz Torres Möller Parker
		Weiß Collins Jung Edwards Hahn Stewart Schubert Flores Vogel Morris Friedrich Nguyen Keller Murphy Günther Rivera Frank Cook Berger Rogers
		Winkler Morgan Roth Peterson Beck Cooper Lorenz Reed Baumann Bailey Franke Bell Albrecht Gomez Schuster Kelly Simon Howard Ludwig Ward Böhm
		Cox Winter Diaz Kraus Richardson Schumacher Wood Krämer Watson Vogt Brooks Stein Bennett Jäger Gray Otto James Sommer Reyes Groß Cruz Seidel
		Hughes Heinrich Price Brandt Myers Haas Long Schreiber Foster Graf Sanders Schulte Ross Dietrich Morales Ziegler Powell Kuhn Sullivan Kühn
		Russell Pohl Ortiz Engel Jenkins Horn Gutiérrez Busch Perry Bergmann Butler Thiel Barnes Sauer Fisher Arnold Henderson Wolff Coleman Pfeiffer
		Simmons Patterson Jordan Reynolds Hamilton Graham Kim Gonzales Alexander Ramos Wallace Griffin West Cole Hayes Chavez Gibson Bryant Ellis
		Stevens Murray Ford Marshall Owens McDonald Harrison Ruiz Kennedy Wells Alvarez Woods Mendoza Castillo Olson Webb Washington Tucker Freeman
		Burns Henry Vasquez Snyder Simpson Crawford Jimenez Porter Mason Shaw Gordon Wagenaar Hunter Romero Hicks Dixon Hunt Palmer Robertson Black
		Holmes Stone Boyd Mills Warren Fox Rose Rice Moreno Schmitz Patel Ferguson Nichols Herrera Medina Ryan Fernandez Weaver Daniels Stephens
		Gardner Payne Kelley Dunn Pierce Bakker Jansen Visser Smit Meijer Mulder Bos Vos Hendriks Dekker Brouwer Dijkstra Bianchi Romano Colombo
		Ricci Marino Greco Bruno Gallo Conti Costa Giordano Mancini Rizzo Lombardi Moretti Dubois Durand Leroy Moreau Laurent Lefebvre Michel Fournier
		Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Faure Mercier Blanc Guerin Boyer Garnier Chevalier Francois Legrand Gauthier Perrin
		Robin Clement Morin Nicolas Mathieu Roussel Novák Svoboda Dvořák Kowalski Nowak Wiśniewski Zieliński Kamiński Lewandowski Yılmaz Kaya Demir
		Çelik Şahin Hansen Nielsen Jensen Pedersen Larsen Sørensen Rasmussen Berg Haugen Lindberg Lindström Nyström Sandberg Ivanov Petrov Sokolov
		Singh Kumar Sharma Gupta Khan Ali Hassan Ibrahim Tanaka Suzuki Watanabe Chen Wang Zhang Liu Tran Pham Okafor Mensah Adeyemi Okonkwo Byrne
		O'Brien O'Connor Walsh Gallagher Doherty McCarthy MacDonald Sinclair Fraser Cameron Lloyd Griffiths Pritchard Vaughan`)
	nicknames = map[string]string{"James": "Jim", "Michael": "Mike", "Robert": "Bob", "William": "Bill", "Thomas": "Tom", "David": "Dave", "Daniel": "Dan",
		"Christopher": "Chris", "Andrew": "Andy", "Susan": "Sue", "Alexander": "Alex", "Joseph": "Joe", "Richard": "Dick", "Charles": "Charlie", "Matthew": "Matt",
		"Anthony": "Tony", "Steven": "Steve", "Edward": "Ted", "Jennifer": "Jen", "Timothy": "Tim", "Elizabeth": "Liz", "Patricia": "Pat", "Jeffrey": "Jeff",
		"Margaret": "Maggie", "Nicholas": "Nick", "Kimberly": "Kim", "Jonathan": "Jon", "Stephen": "Steve", "Benjamin": "Ben", "Deborah": "Debbie", "Samuel": "Sam",
		"Gregory": "Greg", "Rebecca": "Becky", "Kathleen": "Kathy", "Katherine": "Kate", "Pamela": "Pam", "Nathan": "Nate", "Zachary": "Zach"}
	wordStarts = strings.Fields(`Nor Blu Sil Iro Cle Qui Swi Sto Gre Hig Dee Ope Sun Moo Riv Fie Clo Cop Amb Fal Ced Map Gra Har Sum Ver Orb Pix Lum Quan Nov Atl
		Hel Ter Aqu Del Sig Pri Uni Cro Met Alp Bor Cas Dor Emb Fjo Gla Zen Kor Vel Tri Oxa Pol Ras Syl Tav Ulm Wex Yar Bran Drex Flin Mar Tel Cal Ben Lor Jas`)
	wordEnds = strings.Fields(`dwind tera forge peak stack nova bridge gate path light port works line leaf wave point craft flow grid dale ridge mark shore
		spring well wood yard mill loom crest ion ara is ex um onic ano eva oro ina ent isto aro ica`)
	trades = strings.Fields(`Labs Systems Software Logistics Analytics Media Health Energy Retail Foods Robotics Finance Studios Networks Partners Mobility
		Security Materials Education Travel Consulting Engineering Holding Group Services Solutions Technologies International Industries Pharma`)
	streets = strings.Fields(`Church Station Mill School Park Garden River Castle Market Bridge Forest Lake Hill King Queen Victoria Oak Elm Maple Cedar
		Linden Rose Meadow Spring North South East West Harbour Chapel Green High Mozart Goethe Schiller Garibaldi Verdi Hugo Pasteur Colón`)
	cities  = strings.Fields(`Berlin Hamburg München Köln London Leeds Bristol Paris Lyon Lille Madrid Sevilla Roma Milano Torino Amsterdam Utrecht Wien Zürich Boston Chicago Denver Austin Seattle Dublin Malmö Oslo Aarhus Praha Kraków`)
	roles   = strings.Fields(`info sales office contact team billing support accounts`)
	sources = []string{"crm", "crm", "crm", "webform", "event", "billing", "newsletter", "import"}
	titles  = []string{"Analyst", "Data Engineer", "Marketing Manager", "Accountant", "Operations Manager", "Head of Marketing", "Director of Sales", "Head of Data", "CFO", "CEO", "Buyer", "Office Manager"}
	forms   = map[string][]string{"DE": {"GmbH", "AG", "GmbH & Co. KG", "UG"}, "US": {"Inc.", "LLC", "Corp.", "Inc"}, "GB": {"Ltd", "Limited", "PLC"}, "FR": {"SAS", "SARL", "S.A."},
		"ES": {"S.L.", "S.A."}, "IT": {"S.r.l.", "S.p.A."}, "NL": {"B.V.", "N.V."}}
	lands = []string{"DE", "DE", "US", "US", "US", "GB", "GB", "FR", "ES", "IT", "NL"}
	// dial is the country code and the length of a national number, in blocks that no one is given where there are some.
	dial = map[string]string{"DE": "+4930", "US": "+1415", "GB": "+4420", "FR": "+331", "ES": "+3491", "IT": "+3906", "NL": "+3120"}
	cell = map[string]string{"DE": "+49151", "US": "+1628", "GB": "+447", "FR": "+336", "ES": "+346", "IT": "+3932", "NL": "+316"}
	land = map[string]string{"DE": "Germany", "US": "United States", "GB": "United Kingdom", "FR": "France", "ES": "Spain", "IT": "Italy", "NL": "Netherlands"}
	free = []string{"gmail.com", "outlook.com", "gmx.de", "yahoo.com", "icloud.com", "web.de"}
)
