// Command gen writes the example's sample data: four CSV files of a CRM export with invented names and with the defects
// that such exports have. The same program always writes the same bytes:
//
//	go run ./examples/crm-opportunities/gen -out examples/crm-opportunities/data
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	opportunities = 400
	day           = 24 * time.Hour
)

type product struct {
	name, series string
	price        float64
}

type agent struct {
	name, manager, region string
	skill                 float64 // added to the chance of winning
}

func main() {
	out := flag.String("out", "data", "folder to write to")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder for the samples: %w", err)
	}
	rnd := rand.New(rand.NewPCG(20250101, 7))
	accounts := accountRows(rnd)
	for name, rows := range map[string][][]string{
		"accounts.csv":       accounts,
		"products.csv":       productRows(),
		"sales_teams.csv":    teamRows(),
		"sales_pipeline.csv": pipelineRows(rnd, accounts[1:]),
	} {
		if err := write(filepath.Join(dir, name), rows); err != nil {
			return err
		}
	}
	return nil
}

func products() []product {
	return []product{
		{"Brook Basic", "Brook", 540}, {"Brook Pro", "Brook", 4700}, {"Weir Mini", "Weir", 60},
		{"Weir Advanced", "Weir", 3400}, {"Sluice Plus", "Sluice", 5400}, {"Sluice 500", "Sluice", 26000},
	}
}

func productRows() [][]string {
	rows := [][]string{{"product", "series", "sales_price"}}
	for _, p := range products() {
		rows = append(rows, []string{p.name, p.series, strconv.FormatFloat(p.price, 'f', -1, 64)})
	}
	return rows
}

func agents() []agent {
	return []agent{
		{"Ilse Marrow", "Petra Aldous", "North", 0.10}, {"Tomas Quill", "Petra Aldous", "North", 0}, {"Wanda Frith", "Petra Aldous", "North", -0.05},
		{"Oskar Lindqvist", "Remy Castell", "North", 0.05}, {"Bela Novak", "Remy Castell", "North", -0.10},
		{"Mina Okafor", "Greta Solberg", "South", 0.08}, {"Jonas Reeve", "Greta Solberg", "South", 0}, {"Paloma Ruiz", "Greta Solberg", "South", 0.04},
		{"Hana Birch", "Darius Lowe", "Coast", -0.06}, {"Felix Amari", "Darius Lowe", "Coast", 0.02}, {"Noor Vance", "Darius Lowe", "Coast", 0.06},
		{"Stellan Grieg", "Darius Lowe", "Coast", 0},
	}
}

func teamRows() [][]string {
	rows := [][]string{{"sales_agent", "manager", "regional_office"}}
	for _, a := range agents() {
		rows = append(rows, []string{a.name, a.manager, a.region})
	}
	return rows
}

func accountRows(rnd *rand.Rand) [][]string {
	names := []string{
		"Alderbrook Foods", "Birchfield Labs", "Cobalt Freight", "Dunmore Press", "Eastgate Clinics", "Fernhill Energy", "Glasswing Media",
		"Harrow Tools", "Ivory Lane", "Juniper Bank", "Kestrel Air", "Lowfield Farms", "Marlow Robotics", "Northmere", "Ottaway & Sons",
		"Pinnacle Dental", "Quarry Homes", "Redshank Games", "Saltmarsh Inns", "Tallow Street", "Umber Textiles", "Vantage Rail",
		"Westering", "Yarrow Health",
	}
	sectors := []string{"technolgy", "medical", "retail", "finance", "software", "services"}
	countries := []string{"United States", "United States", "United States", "Germany", "Philipines", "Japan"}
	rows := [][]string{{"account", "sector", "year_established", "revenue", "employees", "office_location", "subsidiary_of"}}
	for i, name := range names {
		parent := ""
		if i%7 == 6 {
			parent = names[i-6]
		}
		rows = append(rows, []string{
			name, sectors[rnd.IntN(len(sectors))], strconv.Itoa(1975 + rnd.IntN(42)),
			strconv.FormatFloat(math.Round(math.Exp(4+3*rnd.Float64())*100)/100, 'f', -1, 64),
			strconv.Itoa(int(math.Exp(4 + 5*rnd.Float64()))), countries[rnd.IntN(len(countries))], parent,
		})
	}
	return rows
}

// pipelineRows draws the opportunities of one year. Deals are lost early or won late, each quarter ends with a push,
// and what is open at the end of the year stays open; about a third of the open ones have an account.
func pipelineRows(rnd *rand.Rand, accounts [][]string) [][]string {
	ps, as := products(), agents()
	first := time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC)
	last := time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)
	rows := [][]string{{"opportunity_id", "sales_agent", "product", "account", "deal_stage", "engage_date", "close_date", "close_value"}}
	for i := range opportunities {
		p, a, account := ps[rnd.IntN(len(ps))], as[rnd.IntN(len(as))], accounts[rnd.IntN(len(accounts))][0]
		engaged := first.Add(time.Duration(rnd.IntN(350)) * day)
		stage, closed, value := "Engaging", "", ""
		draw := rnd.Float64()
		switch {
		case draw < 0.06:
			stage = "Prospecting"
		case draw < 0.80:
			chance := 0.58 + a.skill
			if engaged.Month()%3 == 1 {
				chance += 0.10
			}
			won := rnd.Float64() < chance
			days := 3 + rnd.IntN(40)
			if won {
				days = 10 + rnd.IntN(95)
			}
			if end := engaged.Add(time.Duration(days) * day); !end.After(last) {
				closed, stage, value = end.Format(time.DateOnly), "Lost", "0"
				if won {
					stage, value = "Won", strconv.Itoa(int(math.Round(p.price*(0.85+0.3*rnd.Float64()))))
				}
			}
		}
		name := p.name
		if name == "Brook Pro" && rnd.Float64() < 0.8 {
			name = "BrookPro"
		}
		if closed == "" && rnd.Float64() < 0.66 {
			account = ""
		}
		date := engaged.Format(time.DateOnly)
		if stage == "Prospecting" {
			date = ""
		}
		row := []string{fmt.Sprintf("MR%05d", 10000+i*37), a.name, name, account, stage, date, closed, value}
		rows = append(rows, row)
		if i == 123 || i == 321 { // the export wrote two opportunities twice
			rows = append(rows, row)
		}
	}
	// The year ends with a deal, so that the last month is a whole one.
	return append(rows, []string{"MR99999", as[0].name, "BrookPro", accounts[0][0], "Won", "2025-10-20", last.Format(time.DateOnly), "4655"})
}

func write(path string, rows [][]string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create the sample: %w", err)
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	w := csv.NewWriter(f)
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
