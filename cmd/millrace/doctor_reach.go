package main

import (
	"context"
	"errors"
	"time"

	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/reports"
)

// reachFor is how long doctor waits for one outside system: a check is an answer now or a fault.
const reachFor = 20 * time.Second

// asked runs a check within reachFor and words its end, so that a person reads of the system and not of a deadline.
func asked(ctx context.Context, check func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	err := check(within)
	if err != nil && errors.Is(within.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return &fault.Error{Msg: "no answer within " + reachFor.String(), Hint: "Check the address, the network and the proxy; then the vendor's status page.", Err: err}
	}
	return err
}

// destinations asks each sync's destination whether it takes the credentials and has what the sync maps. A sync that is
// not live may wait for its fields: that is a warning.
func (c *checkup) destinations(ctx context.Context, p *project.Project) {
	syncs, err := c.a.syncs(p)
	if err != nil {
		return // files reported it
	}
	for _, s := range syncs {
		name := "sync " + s.Name
		err := asked(ctx, func(ctx context.Context) error {
			d, err := c.a.openDestination(s)
			if err != nil {
				return err
			}
			return errors.Join(d.Check(ctx, s.Target()), d.Close())
		})
		switch {
		case err == nil && s.File.Live:
			c.add(console.OK, name, "", "%s takes it; live, sent under --target prod", s.File.Destination)
		case err == nil:
			c.add(console.OK, name, "", "%s takes it; not live", s.File.Destination)
		default:
			c.fail(name, err, "Correct "+s.Path()+".")
			if !s.File.Live {
				c.checks[len(c.checks)-1].Status = console.Warn
			}
		}
	}
}

// channels asks each report's channels that speak to people whether they can be reached.
func (c *checkup) channels(ctx context.Context, p *project.Project, defs []*reports.Definition) {
	for _, d := range defs {
		for _, spec := range d.Channels {
			if spec.Kind.Local {
				continue
			}
			name := "report " + d.Report + " → " + spec.Kind.Name
			ch, err := spec.Kind.Open(reports.ChannelParams{Dir: p.Dir, Options: spec.Options, Log: c.a.log})
			if err != nil {
				c.fail(name, err, "Correct "+d.File+".")
				continue
			}
			reach, ok := ch.(reports.Reachable)
			if !ok {
				continue
			}
			var info string
			if err := asked(ctx, func(ctx context.Context) error { info, err = reach.Reach(ctx); return err }); err != nil {
				c.fail(name, err, "Correct "+d.File+".")
				continue
			}
			c.add(console.OK, name, "", "%s", info)
		}
	}
}
