package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"millrace/extract/landing"
	"millrace/internal/fault"
	"millrace/internal/normal"
	"millrace/internal/privacy"
	"millrace/internal/project"
	"millrace/internal/state"
	"millrace/transform"
)

func newPrivacyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "privacy",
		GroupID: "data",
		Short:   "Find, export or erase one person: files, builds, state and destinations",
		Long: `Answers what people may ask of whoever holds data about them. A person is named by an id (p_…), the key of a record
(hubspot:contact:1000001) or an e-mail address. What belongs to a target is looked at under that target: add --target prod.

find lists every place, export writes everything into one file, erase takes it out and keeps the person from coming back.`,
		Example: `  millrace privacy find jane@acme.example
  millrace privacy export jane@acme.example --out jane.json
  millrace privacy erase jane@acme.example --ticket DSR-17
  millrace privacy erase jane@acme.example --ticket DSR-17 --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPrivacyFindCmd(a), newPrivacyExportCmd(a), newPrivacyEraseCmd(a), newPrivacyLogCmd(a))
	return cmd
}

// subject is the person whom a command is about.
type subject struct {
	Name    string       `json:"name"`
	Person  string       `json:"person_id,omitempty"`
	Known   state.Erased `json:"known_by"`
	Records []string     `json:"records"`
	Shared  []string     `json:"left_out,omitempty"` // identifiers of theirs that others use too
}

// whois finds out who is meant and what they are known by. A person whom no published build knows may be named by an
// address: rows that hold it are found all the same.
func (a *app) whois(ctx context.Context, p *project.Project, ref string) (*subject, error) {
	ref = strings.TrimSpace(ref)
	norm := normal.Default()
	b, err := a.published(ctx, p)
	if errors.Is(err, transform.ErrNothingPublished) {
		if e, ok := norm.Email(ref); ok {
			return &subject{Name: e.Exact, Known: state.Erased{Emails: []string{e.Exact}}}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	defer b.Close()
	e, err := b.find(ctx, ref)
	if err != nil {
		if m, ok := norm.Email(ref); ok {
			return &subject{Name: m.Exact, Known: state.Erased{Emails: []string{m.Exact}}}, nil
		}
		return nil, err
	}
	if e.of != "person" {
		return nil, &fault.Error{Value: ref, Msg: "names a company", Hint: "These commands are about people: name a person's id, record or e-mail address."}
	}
	s := &subject{Name: e.name(), Person: e.ID, Records: e.keys()}
	known := &s.Known
	known.Subjects = []string{e.ID}
	list, err := a.sources(p)
	if err != nil {
		return nil, err
	}
	kept := map[string]bool{}
	for _, src := range list {
		kept[src.file.Name] = p.File.Privacy.Keeps(src.file.Name, src.connector.Name)
	}
	old, err := b.texts(ctx, "select old_id from identity.redirects where current_id = ?", e.ID)
	if err != nil {
		return nil, err
	}
	known.Subjects = append(known.Subjects, old...)
	for _, r := range e.List {
		if kept[r.Source] {
			known.Kept = append(known.Kept, r.Key)
		} else {
			known.Records = append(known.Records, r.Key)
		}
		if id, ok := recordID(r.Key); ok {
			known.IDs = append(known.IDs, r.Source+":"+id)
		}
	}
	if err := s.identifiers(ctx, list, b, norm); err != nil {
		return nil, err
	}
	if m, ok := norm.Email(ref); ok && !slices.Contains(known.Emails, m.Exact) {
		known.Emails = append(known.Emails, m.Exact) // asked for by this address: it is theirs
	}
	for _, l := range []*[]string{&known.Subjects, &known.Emails, &known.IDs, &s.Shared} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	return s, nil
}

// recordID takes the source's id out of a record's key: source:object:id.
func recordID(key string) (string, bool) {
	parts := strings.SplitN(key, ":", 3)
	if len(parts) != 3 {
		return "", false
	}
	return parts[2], true
}

// identifiers adds what the person's records are known by, as far as it is theirs alone: an inbox that several people read
// or an id that others share would reach a stranger.
func (s *subject) identifiers(ctx context.Context, list []source, b *publishedBuild, norm *normal.Normaliser) error {
	return b.db.Each(ctx, `select distinct identifiers.identifier_type, identifiers.identifier_value, identifiers.identifier_class
		from identity.person_identifiers as identifiers
		inner join identity.person_membership as membership on membership.record_key = identifiers.record_key
		where membership.person_id = ? order by all`, func(row []any) error {
		kind, value, class := cellText(row[0]), cellText(row[1]), cellText(row[2])
		if class == "role" || class == "shared" || class == "generic" {
			if kind == "email" || kind == "product_user" {
				s.Shared = append(s.Shared, value)
			}
			return nil
		}
		switch kind {
		case "email":
			if e, ok := norm.Email(value); ok {
				s.Known.Emails = append(s.Known.Emails, e.Exact)
			}
		case "product_user":
			for _, src := range list { // the product's id stands in several tools
				if strings.Trim(value, "0123456789") != "" {
					s.Known.IDs = append(s.Known.IDs, src.file.Name+":"+value)
				}
			}
		}
		return nil
	}, s.Person)
}

// values are everything that names the person in a cell of its own.
func (s *subject) values() []string {
	k := s.Known
	out := append(append(append([]string{}, k.Emails...), k.Records...), k.Subjects...)
	return out
}

// stones are the tombstones that keep the person out.
func (s *subject) stones(db *state.DB, ticket string, e state.Erasure) []state.Tombstone {
	var out []state.Tombstone
	add := func(kind, value string) {
		out = append(out, state.Tombstone{KeyID: db.Tombstones.KeyID(kind, value), Kind: kind, Ticket: ticket, At: e.At})
	}
	for _, v := range s.Known.Emails {
		add(privacy.Email, v)
	}
	for _, v := range s.Known.IDs {
		add(privacy.ID, v)
	}
	for _, v := range append(slices.Clone(s.Known.Records), s.Known.Kept...) {
		add("record", v)
	}
	return out
}

// screen finds rows about people in what has landed or is about to. gone are hashes that keyID makes.
func (a *app) screen(p *project.Project, keyID func(kind, value string) string, gone []string) (*privacy.Screen, error) {
	list, err := a.sources(p)
	if err != nil {
		return nil, err
	}
	connector := map[string]string{}
	for _, s := range list {
		connector[s.file.Name] = s.connector.Name
	}
	return privacy.New(normal.Default(), keyID, gone, func(source string) bool { return p.File.Privacy.Keeps(source, connector[source]) }), nil
}

// screenOf finds one person, whose identifiers are at hand.
func (a *app) screenOf(p *project.Project, s *subject) (*privacy.Screen, error) {
	plain := func(kind, value string) string { return kind + "\x00" + value }
	var gone []string
	for _, v := range s.Known.Emails {
		gone = append(gone, plain(privacy.Email, v))
	}
	for _, v := range s.Known.IDs {
		gone = append(gone, plain(privacy.ID, v))
	}
	return a.screen(p, plain, gone)
}

// screenAll finds everybody who was erased; nil when nobody was.
func (a *app) screenAll(ctx context.Context, p *project.Project, db *state.DB) (*privacy.Screen, error) {
	stones, err := db.Tombstones.List(ctx)
	if err != nil || len(stones) == 0 {
		return nil, err
	}
	gone := make([]string, len(stones))
	for i, x := range stones {
		gone[i] = x.KeyID
	}
	return a.screen(p, db.Tombstones.KeyID, gone)
}

// landedStreams are all streams below the raw folder, configured or not, as source and stream.
func landedStreams(p *project.Project) ([][2]string, error) {
	landed, err := landing.List(p.RawDir())
	if err != nil {
		return nil, err
	}
	var out [][2]string
	for name := range landed {
		source, stream, _ := strings.Cut(name, ".")
		out = append(out, [2]string{source, stream})
	}
	slices.SortFunc(out, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
	return out, nil
}

// openState opens a target's state to look at it; what is not there yet is nil.
func (a *app) openState(ctx context.Context, p *project.Project) (*state.DB, error) {
	if _, err := os.Stat(p.StateFile()); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return state.Open(ctx, p.StateFile())
}
