package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"millrace/internal/atomicfile"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/listfile"
	"millrace/internal/twin/mess"
)

// newTwinListCmd makes lists with the truth beside them, for trying resolve and for judging it.
func newTwinListCmd(a *app) *cobra.Command {
	var records int
	var seed uint64
	var out string
	cmd := &cobra.Command{
		Use:   "list people|companies",
		Short: "Make a messy list of people or companies with the truth beside it",
		Long: `List makes a CSV as a neglected CRM exports it: several records of one person or company in many spellings; role inboxes,
switchboards, devices and domains that many share; changes of job, households, subsidiaries, free mail, addresses that went to
somebody else. The last two columns are truth: who it is, and which of an entity's records hang together by evidence of their
own, which is what can be asked of anybody. The same seed gives the same list.`,
		Example: `  millrace twin list people --records 100000 --out people.csv
  millrace resolve people.csv --truth person --truth reachable`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "people" || args[0] == "companies") {
				return nil
			}
			return &fault.Error{Msg: "a list is of people or of companies", Hint: "Write: millrace twin list people --out FILE."}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if records < 1 || records > 10_000_000 {
				return &fault.Error{Key: "--records", Value: fmt.Sprint(records), Msg: "not a number of records", Hint: "Give 1 to 10,000,000."}
			}
			make := mess.Contacts
			if args[0] == "companies" {
				make = mess.Companies
			}
			if out == "" || out == "-" {
				w := bufio.NewWriter(a.con.Out)
				if err := make(w, records, seed); err != nil {
					return err
				}
				return w.Flush()
			}
			if err := listfile.CheckPath("--out", out); err != nil {
				return err
			}
			err := atomicfile.WriteTo(out, 0o644, func(f *os.File) error {
				w := bufio.NewWriter(io.Writer(f))
				if err := make(w, records, seed); err != nil {
					return err
				}
				return w.Flush()
			})
			if err != nil {
				return fault.Wrap(err, "write %s", out)
			}
			a.con.Say("wrote %s: %s of %s, truth in its last two columns", out, console.Count(int64(records), "record"), args[0])
			return nil
		},
	}
	cmd.Flags().IntVar(&records, "records", 5000, "how many records")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "the same seed gives the same list")
	cmd.Flags().StringVarP(&out, "out", "o", "", "CSV file to write (default: standard output)")
	return cmd
}
