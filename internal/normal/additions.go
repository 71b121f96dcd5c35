package normal

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"millrace/internal/fault"
)

// Seed files of a project that add to the built-in lists: below sql/seeds/, CSV with a header. Each may be missing.
const (
	seedRoles     = "sql/seeds/role_inboxes.csv"
	seedFreeMail  = "sql/seeds/free_mail_domains.csv"
	seedForms     = "sql/seeds/legal_forms.csv"
	seedCountries = "sql/seeds/countries.csv"
	seedChannels  = "sql/seeds/channels.csv"
)

// ReadAdditions reads what a project's seeds add to the built-in lists. fsys is the project's folder.
func ReadAdditions(fsys fs.FS) (Additions, error) {
	add := Additions{FreeMail: map[string]string{}, Countries: map[string]string{}}
	var errs fault.List
	errs.Add(readSeed(fsys, seedRoles, []string{"local_part"}, func(c []string) error {
		if c[0] != "" {
			add.RoleInboxes = append(add.RoleInboxes, c[0])
		}
		return nil
	}))
	errs.Add(readSeed(fsys, seedFreeMail, []string{"domain", "mailbox_rule"}, func(c []string) error {
		if _, ok := asciiHost(c[0]); !ok {
			return fmt.Errorf("%q is not a domain", c[0])
		}
		if c[1] == "" {
			c[1] = ruleNone
		}
		if !slices.Contains([]string{ruleGmail, rulePlus, ruleNone}, c[1]) {
			return fmt.Errorf("mailbox_rule %q is not one of gmail, plus, none", c[1])
		}
		add.FreeMail[strings.ToLower(c[0])] = c[1]
		return nil
	}))
	errs.Add(readSeed(fsys, seedForms, []string{"legal_form"}, func(c []string) error {
		if c[0] != "" {
			add.LegalForms = append(add.LegalForms, c[0])
		}
		return nil
	}))
	errs.Add(readSeed(fsys, seedCountries, []string{"name", "country_code"}, func(c []string) error {
		if c[1] == "" {
			return nil // a name without a country stays unknown
		}
		if len(c[1]) != 2 {
			return fmt.Errorf("country_code %q is not an ISO 3166 code of two letters", c[1])
		}
		add.Countries[c[0]] = strings.ToUpper(c[1])
		return nil
	}))
	errs.Add(readSeed(fsys, seedChannels, []string{"kind", "value", "channel", "is_paid"}, func(c []string) error {
		r := ChannelRule{Channel: c[2]}
		switch c[0] {
		case "medium":
			r.Medium = c[1]
		case "source":
			r.Source = c[1]
		case "campaign":
			r.Campaign = c[1]
		default:
			return nil // another tool's words
		}
		paid, err := strconv.ParseBool(c[3])
		if err != nil {
			return fmt.Errorf("is_paid %q is neither true nor false", c[3])
		}
		r.Paid = paid
		if c[1] == "" || c[2] == "" {
			return errors.New("a value without a channel, or a channel without a value")
		}
		add.Channels = append(add.Channels, r)
		return nil
	}))
	return add, errs.Or()
}

// readSeed calls take with the cells of the wanted columns, line by line.
func readSeed(fsys fs.FS, file string, want []string, take func(cells []string) error) error {
	f, err := fsys.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &fault.Error{File: file, Msg: "cannot be read", Err: err}
	}
	defer f.Close()
	r := csv.NewReader(f)
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return &fault.Error{File: file, Msg: "is not CSV", Err: err, Hint: "Write a header and the same number of cells in each line."}
	}
	at := make([]int, len(want))
	for i, name := range want {
		at[i] = slices.IndexFunc(head, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) })
		if at[i] < 0 && i == 0 {
			return &fault.Error{File: file, Line: 1, Key: name, Msg: "the header has no such column", Hint: fault.DidYouMean(name, head)}
		}
	}
	var errs fault.List
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return errs.Or()
		}
		if err != nil {
			return &fault.Error{File: file, Msg: "is not CSV", Err: err, Hint: "Write a header and the same number of cells in each line."}
		}
		cells := make([]string, len(want))
		for i, k := range at {
			if k >= 0 {
				cells[i] = strings.TrimSpace(row[k])
			}
		}
		if err := take(cells); err != nil {
			line, _ := r.FieldPos(0)
			errs.Add(&fault.Error{File: file, Line: line, Msg: err.Error(), Hint: "Correct the line, or remove it."})
		}
	}
}
