package normal

import (
	"slices"
	"strconv"
	"strings"
)

type zoneTable struct {
	names map[string]string            // key → zone
	local map[string]map[string]string // key → country → zone: names that mean another zone elsewhere
	city  map[string]string            // last part of a zone's name where only one zone has it
}

// TimeZone is the IANA name of a zone for a name in any case, a former name, the name that Windows, HubSpot or Salesforce use,
// an abbreviation or an offset from UTC. Abbreviations that mean several zones (CST, IST, BST) need the country (code or name)
// and are refused without it; a fixed offset gives a zone without daylight saving time, since it does not say which one has
// it.
func (n *Normaliser) TimeZone(s, country string) (string, bool) {
	s, ok := tidy(s, maxWord)
	if !ok {
		return "", false
	}
	// Salesforce: "(GMT-08:00) Pacific Standard Time (America/Los_Angeles)"; Rails: "(GMT-05:00) Eastern Time (US & Canada)".
	if strings.HasPrefix(s, "(") {
		if i := strings.IndexByte(s, ')'); i > 0 && i < len(s)-1 {
			if z, ok := n.TimeZone(s[i+1:], country); ok {
				return z, true
			}
			s = s[1:i]
		}
	}
	if i := strings.LastIndexByte(s, '('); i > 0 && strings.HasSuffix(s, ")") && strings.Contains(s[i:], "/") {
		s = s[i+1 : len(s)-1]
	}
	k := zoneKey(strings.ReplaceAll(strings.ToLower(s), "_slash_", "/"))
	if country != "" {
		if z, ok := n.zones.local[k][n.region(country)]; ok {
			return z, true
		}
	}
	if z, ok := n.zones.names[k]; ok {
		return z, true
	}
	if z, ok := n.zones.city[k]; ok {
		return z, true
	}
	return offsetZone(s)
}

// zoneKey is a zone's name as letters, digits and slashes.
func zoneKey(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '/' || r == '+' || r == '&', r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r == '-' || r == ' ' || r == '_' || r == '.' || r == '\'' || r == '(' || r == ')' || r == ',':
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// offsetZone is the zone of a fixed offset: "+02:00", "UTC+2", "GMT-5:30". Zones named after offsets have the other sign.
func offsetZone(s string) (string, bool) {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	s = strings.Replace(s, "−", "-", 1)
	etc := strings.HasPrefix(s, "ETC/")
	s = strings.TrimPrefix(s, "ETC/")
	for _, p := range []string{"UTC", "GMT"} {
		s = strings.TrimPrefix(s, p)
	}
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return "", false
	}
	hours, minutes, colon := strings.Cut(s[1:], ":")
	if !colon && len(hours) == 4 {
		hours, minutes = hours[:2], hours[2:]
	}
	if minutes == "" {
		minutes = "0"
	}
	h, err1 := strconv.Atoi(hours)
	m, err2 := strconv.Atoi(minutes)
	if err1 != nil || err2 != nil || !digits(hours) || !digits(minutes) || len(hours) > 2 || len(minutes) > 2 || h > 14 || m > 59 {
		return "", false
	}
	minus := s[0] == '-'
	switch {
	case h == 0 && m == 0:
		return "UTC", true
	case m != 0 && etc:
		return "", false
	case m != 0:
		z := map[string]string{"+3:30": "Asia/Tehran", "+4:30": "Asia/Kabul", "+5:30": "Asia/Kolkata", "+5:45": "Asia/Kathmandu", "+6:30": "Asia/Yangon",
			"+8:45": "Australia/Eucla", "-9:30": "Pacific/Marquesas"}[s[:1]+strconv.Itoa(h)+":"+strconv.Itoa(m)]
		return z, z != ""
	}
	// UTC-5 is five hours behind, as is Etc/GMT+5.
	sign := "-"
	if minus != etc {
		sign = "+"
	}
	if sign == "+" && h > 12 {
		return "", false
	}
	return "Etc/GMT" + sign + strconv.Itoa(h), true
}

func (n *Normaliser) loadZones() error {
	_, rows, err := readList("time_zones")
	if err != nil {
		return err
	}
	t := zoneTable{map[string]string{}, map[string]map[string]string{}, map[string]string{}}
	var several []string
	for _, r := range rows {
		for i, name := range r {
			rest, ok := strings.CutPrefix(name, "?")
			if !ok {
				t.names[zoneKey(name)] = r[0]
				if i == 0 || strings.Contains(name, "/") {
					city := zoneKey(name[strings.LastIndexByte(name, '/')+1:])
					if z, taken := t.city[city]; taken && z != r[0] {
						several = append(several, city)
					}
					t.city[city] = r[0]
				}
				continue
			}
			name, countries, _ := strings.Cut(rest, ":")
			k := zoneKey(name)
			if t.local[k] == nil {
				t.local[k] = map[string]string{}
			}
			for c := range strings.FieldsSeq(countries) {
				t.local[k][c] = r[0]
			}
		}
	}
	for _, city := range several {
		delete(t.city, city)
	}
	n.zones = t
	return nil
}

// Zones lists the IANA names that TimeZone may give for a name, sorted.
func (n *Normaliser) Zones() []string {
	var out []string
	for _, z := range n.zones.names {
		out = append(out, z)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
