package normal

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// phoneMetadata is the version of the library whose numbering plans are used.
const phoneMetadata = "nyaruka/phonenumbers v1.8.1"

// PhoneType says what kind of line a number reaches.
type PhoneType string

// The types. In North America mobile and fixed lines have the same numbers.
const (
	PhoneFixed         PhoneType = "fixed_line"
	PhoneMobile        PhoneType = "mobile"
	PhoneFixedOrMobile PhoneType = "fixed_line_or_mobile"
	PhoneTollFree      PhoneType = "toll_free"
	PhonePremium       PhoneType = "premium_rate"
	PhoneSharedCost    PhoneType = "shared_cost"
	PhoneVoIP          PhoneType = "voip"
	PhonePersonal      PhoneType = "personal_number"
	PhonePager         PhoneType = "pager"
	PhoneUAN           PhoneType = "uan" // one number of a company for many lines
	PhoneVoicemail     PhoneType = "voicemail"
	PhoneUnknown       PhoneType = "unknown"
)

// Phone is a telephone number.
type Phone struct {
	E164      string // +14155552671
	Extension string // digits
	Region    string // ISO 3166 code of the numbering plan; empty for numbers of no country
	Type      PhoneType
	// Plausible is false for numbers that are written to fill a field: repeated or counting digits, 555-01xx. They are
	// never a key.
	Plausible bool
	Why       string // why it is not plausible
}

// Key is the number with its extension where it has one: lines behind a switchboard are not the same.
func (p Phone) Key() string {
	if p.Extension == "" {
		return p.E164
	}
	return p.E164 + ";ext=" + p.Extension
}

// Phone reads a number in digits of any script. region is the country that numbers without a country code belong to, as a
// code or a name ("DE", "Germany"); where it is empty only numbers with + are read. What no numbering plan allows is refused.
func (n *Normaliser) Phone(s, region string) (Phone, bool) {
	if len(s) > maxPhone {
		return Phone{}, false
	}
	s, ok := tidy(s, maxPhone)
	if !ok {
		return Phone{}, false
	}
	region = n.region(region)
	num, err := phonenumbers.Parse(s, region)
	if err != nil && strings.HasPrefix(s, "00") { // an international prefix where no country says so
		num, err = phonenumbers.Parse("+"+strings.TrimLeft(s, "0"), region)
	}
	if err != nil {
		return Phone{}, false
	}
	// A number is valid where its plan knows its type; asking for both would look it up twice.
	typ := phonenumbers.GetNumberType(num)
	if typ == phonenumbers.UNKNOWN && !strings.HasPrefix(s, "+") && region != "" {
		// "49 30 123456" and "1 415 ...": the country code without its sign.
		if again, err := phonenumbers.Parse("+"+s, region); err == nil {
			if t := phonenumbers.GetNumberType(again); t != phonenumbers.UNKNOWN {
				num, typ = again, t
			}
		}
	}
	p := Phone{E164: phonenumbers.Format(num, phonenumbers.E164), Extension: num.GetExtension(), Region: phonenumbers.GetRegionCodeForNumber(num)}
	national := phonenumbers.GetNationalSignificantNumber(num)
	p.Why = implausible(num.GetCountryCode(), national)
	p.Plausible = p.Why == ""
	if typ == phonenumbers.UNKNOWN {
		// Numbers for films and manuals are in no plan, yet people type them: read, never a key.
		if p.Plausible || !phonenumbers.IsPossibleNumber(num) {
			return Phone{}, false
		}
	}
	p.Type = phoneType(typ)
	if p.Region == "ZZ" || p.Region == "001" {
		p.Region = ""
	}
	return p, true
}

// region is a country's code for the library, which knows two letters in upper case.
func (n *Normaliser) region(s string) string {
	if s == "" {
		return ""
	}
	if len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' && s != "UK" && s != "EL" {
		return s
	}
	code, _ := n.Country(s)
	return code
}

func phoneType(t phonenumbers.PhoneNumberType) PhoneType {
	switch t {
	case phonenumbers.FIXED_LINE:
		return PhoneFixed
	case phonenumbers.MOBILE:
		return PhoneMobile
	case phonenumbers.FIXED_LINE_OR_MOBILE:
		return PhoneFixedOrMobile
	case phonenumbers.TOLL_FREE:
		return PhoneTollFree
	case phonenumbers.PREMIUM_RATE:
		return PhonePremium
	case phonenumbers.SHARED_COST:
		return PhoneSharedCost
	case phonenumbers.VOIP:
		return PhoneVoIP
	case phonenumbers.PERSONAL_NUMBER:
		return PhonePersonal
	case phonenumbers.PAGER:
		return PhonePager
	case phonenumbers.UAN:
		return PhoneUAN
	case phonenumbers.VOICEMAIL:
		return PhoneVoicemail
	}
	return PhoneUnknown
}

// implausible says why a number that a plan may allow reaches nobody in particular.
func implausible(country int32, national string) string {
	if len(national) < 5 {
		return ""
	}
	last := national[max(0, len(national)-7):]
	switch {
	case strings.Count(last, last[:1]) == len(last), strings.Count(national, national[:1]) == len(national):
		return "repeated digits"
	case strings.Contains("01234567890123", national), strings.Contains("98765432109876", national):
		return "counting digits"
	case country == 1 && len(national) == 10 && national[3:6] == "555" && national[6:8] == "01":
		return "555-01xx is for films"
	}
	return ""
}
