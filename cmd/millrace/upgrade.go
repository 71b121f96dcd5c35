package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/project"
)

func newUpgradeCmd(a *app) *cobra.Command {
	var dry, conflicts bool
	cmd := &cobra.Command{
		Use:     "upgrade",
		GroupID: "start",
		Short:   "Bring the project's built-in files to this binary's version",
		Long: `Shows what changed in the built-in files since the project was started or last upgraded, then writes it: files that
you did not edit follow, edited ones are merged line by line with your changes kept, files that you deleted stay
deleted, and new ones are added. millrace.yml is yours and is never touched.

Where you and the new version changed the same lines nothing is written, unless --write-conflicts asks for both versions
with markers. Put the project into git first: then "git diff" shows what the upgrade did.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.upgrade(dry, conflicts) },
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would change, write nothing")
	cmd.Flags().BoolVar(&conflicts, "write-conflicts", false, "write conflicting files with both versions and markers")
	return cmd
}

type upgradeResult struct {
	*project.UpgradePlan
	Applied bool `json:"applied"`
}

func (a *app) upgrade(dry, conflicts bool) error {
	dir, err := a.projectDir()
	if err != nil {
		return err
	}
	old, err := project.ReadLockfile(dir)
	if err != nil {
		return err
	}
	files, _, err := builtinFiles(old.With)
	if err != nil {
		return err
	}
	plan, err := project.PlanUpgrade(dir, files, version)
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(plan.Changes))
	counts := map[project.Action]int{}
	for _, c := range plan.Changes {
		counts[c.Action]++
		note := c.Reason
		if c.Conflicts > 0 {
			note = console.Count(int64(c.Conflicts), "place") + " that both sides changed"
		}
		rows = append(rows, []string{string(c.Action), c.Path, note})
	}
	if !a.flags.json && !a.flags.quiet {
		if len(rows) > 0 {
			a.con.Table([]string{"action", "file", ""}, rows)
			a.con.Say("")
		}
	}
	var failed error
	applied := false
	if !dry {
		// Nothing to write in the files still moves millrace.lock to this version.
		if failed = plan.Apply(conflicts); failed == nil {
			applied = true
		}
	}
	if a.flags.json {
		if err := a.con.Result(upgradeResult{plan, applied}); err != nil {
			return err
		}
		return failed
	}
	if failed != nil {
		return failed
	}
	summary := fmt.Sprintf("%d added, %d updated, %d merged, %d removed, %d kept", counts[project.Add], counts[project.Update], counts[project.Merge], counts[project.Remove], counts[project.Keep])
	switch n := counts[project.Conflict]; {
	case plan.Empty():
		a.con.Say("The built-in files are those of version %s already.", plan.To)
	case dry:
		a.con.Say("From %s to %s: %s, %s. Nothing was written (--dry-run).", plan.From, plan.To, summary, console.Count(int64(n), "conflict"))
	case n > 0:
		a.con.Say("From %s to %s: %s. Resolve the markers in %s, then run `millrace validate`.", plan.From, plan.To, summary, console.Count(int64(n), "file"))
	default:
		a.con.Say("From %s to %s: %s. Check it with `millrace validate`.", plan.From, plan.To, summary)
	}
	if n := counts[project.Conflict]; n > 0 && applied {
		return exitWith(fault.ExitHandled)
	}
	return nil
}

// projectDir is the folder of the project, without loading it.
func (a *app) projectDir() (string, error) {
	if a.flags.dir != "" {
		return project.Find(a.flags.dir)
	}
	return project.Find(".")
}
