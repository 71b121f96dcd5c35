package sqlfunc

import "millrace/internal/normal"

// longest argument that is remembered, in bytes: what is longer is junk and found to be at once.
const longest = 256

// reader is a normaliser that remembers what it read last.
type reader struct {
	n         *normal.Normaliser
	emails    *memo[string, read[normal.Email]]
	phones    *memo[[2]string, read[normal.Phone]]
	domains   *memo[string, read[normal.Domain]]
	persons   *memo[[2]string, read[normal.Person]]
	companies *memo[[2]string, read[normal.Company]]
	addresses *memo[[3]string, read[normal.Address]]
	campaigns *memo[[3]string, read[normal.Campaign]]
}

// read is a result and whether there is one.
type read[V any] struct {
	value V
	ok    bool
}

func newReader(n *normal.Normaliser) *reader {
	return &reader{
		n:         n,
		emails:    remember(func(k string) read[normal.Email] { return found(n.Email(k)) }),
		phones:    remember(func(k [2]string) read[normal.Phone] { return found(n.Phone(k[0], k[1])) }),
		domains:   remember(func(k string) read[normal.Domain] { return found(n.Domain(k)) }),
		persons:   remember(func(k [2]string) read[normal.Person] { return found(n.Person(k[0], k[1])) }),
		companies: remember(func(k [2]string) read[normal.Company] { return found(n.Company(k[0], k[1])) }),
		addresses: remember(func(k [3]string) read[normal.Address] { return found(n.Address(k[0], k[1], k[2])) }),
		campaigns: remember(func(k [3]string) read[normal.Campaign] { return found(n.Campaign(k[0], k[1], k[2]), true) }),
	}
}

func found[V any](v V, ok bool) read[V] { return read[V]{v, ok} }

func (r *reader) email(s string) (normal.Email, bool) {
	if len(s) > longest {
		return r.n.Email(s)
	}
	v := r.emails.get(s)
	return v.value, v.ok
}

func (r *reader) phone(s, country string) (normal.Phone, bool) {
	if len(s)+len(country) > longest {
		return r.n.Phone(s, country)
	}
	v := r.phones.get([2]string{s, country})
	return v.value, v.ok
}

func (r *reader) domain(s string) (normal.Domain, bool) {
	if len(s) > longest {
		return r.n.Domain(s)
	}
	v := r.domains.get(s)
	return v.value, v.ok
}

func (r *reader) person(given, family string) (normal.Person, bool) {
	if len(given)+len(family) > longest {
		return r.n.Person(given, family)
	}
	v := r.persons.get([2]string{given, family})
	return v.value, v.ok
}

func (r *reader) company(name, country string) (normal.Company, bool) {
	if len(name)+len(country) > longest {
		return r.n.Company(name, country)
	}
	v := r.companies.get([2]string{name, country})
	return v.value, v.ok
}

func (r *reader) address(street, postcode, country string) (normal.Address, bool) {
	if len(street)+len(postcode)+len(country) > longest {
		return r.n.Address(street, postcode, country)
	}
	v := r.addresses.get([3]string{street, postcode, country})
	return v.value, v.ok
}

func (r *reader) campaign(source, medium, campaign string) normal.Campaign {
	if len(source)+len(medium)+len(campaign) > longest {
		return r.n.Campaign(source, medium, campaign)
	}
	return r.campaigns.get([3]string{source, medium, campaign}).value
}
