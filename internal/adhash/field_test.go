package adhash

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// TestVectors holds the golden vectors of all platforms: testdata/vectors.txt.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Platform]map[Field]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		c := strings.Split(line, "|")
		if len(c) != 6 {
			t.Fatalf("%q has not six cells", line)
		}
		p, f := Platform(c[0]), Field(c[1])
		if seen[p] == nil {
			seen[p] = map[Field]bool{}
		}
		seen[p][f] = true
		if n, err := Normal(p, f, c[2], c[3]); err != nil || n != c[4] {
			t.Errorf("%s %s %q: normal form %q %v, want %q", p, f, c[2], n, err, c[4])
		}
		got, err := Value(p, f, c[2], c[3])
		if err != nil || got != c[5] {
			t.Errorf("%s %s %q: sent %q %v, want %q", p, f, c[2], got, err, c[5])
		}
		if f == FieldMobileID || f == FieldExternalID {
			continue
		}
		if _, err := Value(p, f, got, c[3]); Hashed(p, f) && !errors.Is(err, ErrHashed) {
			t.Errorf("%s %s: a hash was hashed again: %v", p, f, err)
		}
	}
	for _, p := range []Platform{Google, Meta, LinkedIn} {
		for _, f := range Fields(p) {
			if !seen[p][f] && f != FieldMobileID && f != FieldExternalID {
				t.Errorf("%s %s has no golden vector", p, f)
			}
		}
	}
}

func TestLinkedInSHA512(t *testing.T) {
	const want = "358c75d37759d9df9ed01d23ef5c11ddc7e69b5ee818e60c868cd271de55b54ce641d3028f46a5d5def6c5a938d251efb80ec33a307c321837a055734df1064c"
	if got, err := EmailSHA512(LinkedIn, " JANE.doe@example.com"); err != nil || got != want {
		t.Errorf("%s %v", got, err)
	}
	if _, err := EmailSHA512(LinkedIn, " "); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing was hashed: %v", err)
	}
}

func TestValueRefusals(t *testing.T) {
	for _, p := range []Platform{Google, Meta, LinkedIn} {
		for _, f := range Fields(p) {
			for _, s := range []string{"", "  ", "\t\n"} {
				if got, err := Value(p, f, s, "US"); !errors.Is(err, ErrEmpty) {
					t.Errorf("%s %s %q: %q %v, want ErrEmpty", p, f, s, got, err)
				}
			}
		}
	}
	for _, c := range []struct {
		p Platform
		f Field
		s string
	}{
		{Meta, FieldGender, "unknown"}, {Meta, FieldGender, "d"}, {Meta, FieldBirthYear, "1985"}, {Meta, FieldBirthDate, "0001-01-01"},
		{Meta, FieldState, "Bavaria"}, {Meta, FieldCountry, "Atlantis"}, {Meta, FieldMobileID, "00000000-0000-0000-0000-000000000000"},
		{Meta, FieldMobileID, "abc"}, {Meta, FieldCity, "..."}, {LinkedIn, FieldPhone, "+14155550100"}, {Google, FieldCity, "Berlin"},
		{"nowhere", FieldEmail, "jane@example.com"},
	} {
		if got, err := Value(c.p, c.f, c.s, "US"); err == nil {
			t.Errorf("%s %s %q became %q", c.p, c.f, c.s, got)
		}
	}
	if _, err := Value(LinkedIn, FieldPhone, "+14155550100", ""); !errors.Is(err, ErrNotTaken) {
		t.Errorf("LinkedIn takes no telephone numbers: %v", err)
	}
}

// Whatever comes in, the hash of nothing never goes out, and a normal form stays as it is.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"", " ", "jane.doe@example.com", "+1 415 555 0100", "St. Louis", "1985-03-07", "ﬁ", "İ", "\xff"} {
		f.Add(s, "US")
	}
	f.Fuzz(func(t *testing.T, s, country string) {
		for _, p := range []Platform{Google, Meta, LinkedIn} {
			for _, field := range Fields(p) {
				v, err := Value(p, field, s, country)
				if err == nil && (v == "" || v == nothing) {
					t.Errorf("%s %s: %q became %q", p, field, s, v)
				}
			}
		}
	})
}
