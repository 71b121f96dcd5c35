package adhash

import (
	"errors"
	"strings"
	"testing"
)

// The vectors of the reference, section 2.7: what must come out, byte for byte.
const (
	janeDoe     = "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d" // jane.doe@example.com
	googlePhone = "40d3f4e02db27d66cf4cfdda506c2c945f115a7955cc8491dda98ce5beabcda0" // +14155550100
	metaPhone   = "5e7ec4c79ccac6e420876e65ad0e6b4b2ccf73ec3dccb50297bf2890a1ec73b9" // 14155550100
	us          = "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"
	nothing     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // must never come out
)

func TestGoldenVectors(t *testing.T) {
	check := func(name, got string, err error, want string) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", name, got, err, want)
		}
	}
	for _, p := range []Platform{Google, Meta, LinkedIn} {
		for _, s := range []string{"jane.doe@example.com", " Jane.Doe@Example.com ", "JANE. DOE@EXAMPLE.COM\t", "\ufeffjane.doe@example.com"} {
			got, err := Email(p, s)
			check(string(p)+" "+s, got, err, janeDoe)
		}
	}
	for _, s := range []string{"+14155550100", "+1 (415) 555-0100", "0014155550100", "415-555-0100"} {
		region := "US"
		if strings.HasPrefix(s, "00") {
			region = "DE"
		}
		got, err := Phone(Google, s, region)
		check("google "+s, got, err, googlePhone)
		got, err = Phone(Meta, s, region)
		check("meta "+s, got, err, metaPhone)
	}
	got, err := Country(Meta, " US ")
	check("meta country", got, err, us)
	if got, err = Country(Google, "us"); err != nil || got != "US" {
		t.Errorf("google country: %s %v", got, err)
	}
	a, _ := Postal(Meta, "94025-1234", "us")
	b, _ := Postal(Meta, "94025", "US")
	if a != b || a == "" {
		t.Error("the first five digits count in the United States")
	}
	if c, _ := Postal(Google, " 94025-1234 ", "us"); c != "94025-1234" {
		t.Errorf("google does not hash postal codes: %s", c)
	}
}

func TestNormalForms(t *testing.T) {
	for _, c := range []struct {
		p        Platform
		in, want string
	}{
		{Google, "Jane.Q.Doe+news@GoogleMail.com", "janeqdoe@googlemail.com"},
		{Google, "jane.doe+news@example.com", "jane.doe+news@example.com"}, // other domains keep both
		{Meta, "jane.q.doe+news@gmail.com", "jane.q.doe+news@gmail.com"},
		{LinkedIn, "Jane@Gmail.com", "jane@gmail.com"},
	} {
		if got, err := NormalEmail(c.p, c.in); err != nil || got != c.want {
			t.Errorf("%s %s: %s %v, want %s", c.p, c.in, got, err, c.want)
		}
	}
	for _, c := range []struct {
		p        Platform
		in, want string
	}{
		{Google, " Dr. Jane ", "jane"}, {Google, "Doe, Jr.", "doe"}, {Google, "Prof. Dr. Müller", "müller"}, {Google, "Dr", "dr"},
		{Google, "Mu\u0308ller", "müller"}, {Meta, "O'Brien-Smith", "obriensmith"}, {Google, "von  der   Leyen", "von der leyen"},
	} {
		if got, err := NormalName(c.p, c.in); err != nil || got != c.want {
			t.Errorf("%s %q: %q %v, want %q", c.p, c.in, got, err, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, p := range []Platform{Google, Meta, LinkedIn} {
		for _, s := range []string{"", "   ", "\u200b"} {
			if got, err := Email(p, s); !errors.Is(err, ErrEmpty) {
				t.Errorf("%s e-mail %q: %s %v", p, s, got, err)
			}
		}
		for _, f := range []func(string) (string, error){
			func(s string) (string, error) { return Phone(p, s, "US") },
			func(s string) (string, error) { return Name(p, s) },
			func(s string) (string, error) { return Country(p, s) },
			func(s string) (string, error) { return Postal(p, s, "US") },
		} {
			if got, err := f("  "); !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrNotTaken) {
				t.Errorf("%s: nothing became %s, %v", p, got, err)
			}
		}
		for _, s := range []string{"jane", "@example.com", "jane@", "a@b@c.com", "jane@localhost"} {
			if got, err := Email(p, s); err == nil {
				t.Errorf("%s: %q became %s", p, s, got)
			}
		}
		if _, err := Email(p, janeDoe); !errors.Is(err, ErrHashed) {
			t.Errorf("%s: a hash was taken for an address: %v", p, err)
		}
		if _, err := Phone(p, strings.ToUpper(metaPhone), "US"); !errors.Is(err, ErrHashed) {
			t.Errorf("%s: a hash was taken for a number: %v", p, err)
		}
		for _, s := range []string{"415-555-0100", "12", "call me"} {
			if got, err := Phone(p, s, ""); err == nil {
				t.Errorf("%s: %q without a region became %s", p, s, got)
			}
		}
	}
	if _, err := NormalEmail(Google, "...+x@gmail.com"); err == nil {
		t.Error("an address of dots has nobody behind it")
	}
}

// Whatever comes in, the hash of nothing does not come out, and normal forms are stable.
func FuzzNeverHashesNothing(f *testing.F) {
	for _, s := range []string{"", " ", "jane.doe@example.com", "+1 415 555 0100", "Dr.", ",", "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range []Platform{Google, Meta, LinkedIn} {
			for _, fn := range []func(string) (string, error){
				func(s string) (string, error) { return Email(p, s) }, func(s string) (string, error) { return Phone(p, s, "US") },
				func(s string) (string, error) { return Name(p, s) },
			} {
				if h, err := fn(s); err == nil && (len(h) != 64 || h == nothing) {
					t.Errorf("%s: %q became %s", p, s, h)
				}
			}
			if n, err := NormalEmail(p, s); err == nil {
				if again, err := NormalEmail(p, n); err != nil || again != n {
					t.Errorf("%s: %q became %q and then %q (%v)", p, s, n, again, err)
				}
			}
		}
	})
}
