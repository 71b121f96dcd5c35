package normal

import (
	"strconv"
	"testing"
)

// BenchmarkGo is each function on values that differ, without SQL around it.
func BenchmarkGo(b *testing.B) {
	n := Default()
	const values = 1 << 16 // more than the memory of recent values holds
	num := make([]string, values)
	for i := range num {
		num[i] = strconv.Itoa(i)
	}
	for _, c := range []struct {
		name string
		f    func(i string)
	}{
		{"Email", func(i string) { n.Email("Jane.Doe" + i + "+x@GoogleMail.com") }},
		{"Phone", func(i string) { n.Phone("(415) 8"+("10000" + i)[len(i):][:2]+"-"+("10000" + i)[len(i)-1:][:4], "US") }},
		{"Domain", func(i string) { n.Domain("https://www.acme" + i + ".co.uk/x") }},
		{"Person", func(i string) { n.Person("Jürgen", "van der Müller"+i) }},
		{"PersonASCII", func(i string) { n.Person("Jane", "Doe"+i) }},
		{"Company", func(i string) { n.Company("Müller & Söhne "+i+" GmbH & Co. KG", "DE") }},
		{"CompanyASCII", func(i string) { n.Company("Acme Widgets "+i+" Inc.", "US") }},
		{"Address", func(i string) { n.Address("Hauptstraße "+i, "10115", "DE") }},
		{"URL", func(i string) { n.URL("https://acme.com/x?utm_source=y&a=" + i) }},
		{"Campaign", func(i string) { n.Campaign("google", "cpc", "spring sale "+i) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c.f(num[i%values])
				i++
			}
		})
	}
}
