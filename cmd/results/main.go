// Command results puts the record of dnnc compare into the README, between the two
// lines that mark the place: means over seeds, with standard errors. make results
// runs it.
package main

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// The lines between which the tables stand.
const (
	begin = "<!-- results: written by make results -->"
	end   = "<!-- end of results -->"
)

func main() {
	record := flag.String("record", "testdata/results/search.csv", "what dnnc compare recorded")
	readme := flag.String("readme", "README.md", "the file to refresh")
	date := flag.String("date", "", "of the measurements")
	flag.Parse()
	if err := refresh(*record, *readme, *date); err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}

func refresh(record, readme, date string) error {
	f, err := os.Open(record)
	if err != nil {
		return err
	}
	defer f.Close()
	cells, err := read(csv.NewReader(f))
	if err != nil {
		return fmt.Errorf("%s: %w", record, err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	head, rest, ok := bytes.Cut(text, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("%s has no place for results", readme)
	}
	return os.WriteFile(readme, slices.Concat(head, []byte(begin+"\n\n"+tables(cells, date)+"\n"+end), tail), 0o644)
}

// cell is the outcomes of one method at one size of a network, over seeds.
type cell struct {
	network, formats, method string
	bits                     float64
	images, seeds            int
	retention, stderr, worst float64 // means over the seeds
	below, belowSE           float64 // of the first method there
	macs                     float64
}

// read groups a record's rows; of rows for one seed the last counts. The seeds share
// their test images, so the standard error of the mean is taken as large as theirs.
func read(r *csv.Reader) ([]cell, error) {
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no record")
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	latest := 0.
	number := func(row []string, name string) float64 {
		i, ok := column[name]
		x, e := 0., error(nil)
		if !ok {
			e = fmt.Errorf("no column %q", name)
		} else {
			x, e = strconv.ParseFloat(row[i], 64)
		}
		if e != nil && err == nil {
			err = e
		}
		return x
	}
	for _, row := range rows[1:] {
		latest = max(latest, number(row, "version"))
	}
	type run struct {
		cell
		seed float64
	}
	var runs []run
	for _, row := range rows[1:] {
		if number(row, "version") < latest || math.IsNaN(number(row, "retention")) {
			continue
		}
		x := run{cell{
			network: row[column["network"]], formats: row[column["formats"]], method: row[column["method"]],
			bits: number(row, "bits"), images: int(number(row, "images")), seeds: 1,
			retention: number(row, "retention"), stderr: number(row, "stderr"), worst: number(row, "worst"),
			below: number(row, "below"), belowSE: number(row, "below_stderr"), macs: number(row, "macs"),
		}, number(row, "seed")}
		if i := slices.IndexFunc(runs, func(o run) bool { return o.same(x.cell) && o.seed == x.seed }); i >= 0 {
			runs[i] = x
		} else {
			runs = append(runs, x)
		}
	}
	var cells []cell
	for _, x := range runs {
		i := slices.IndexFunc(cells, x.same)
		if i < 0 {
			cells = append(cells, x.cell)
			continue
		}
		c := &cells[i]
		n := float64(c.seeds)
		for _, p := range []struct {
			into *float64
			x    float64
		}{{&c.retention, x.retention}, {&c.stderr, x.stderr}, {&c.worst, x.worst}, {&c.below, x.below}, {&c.belowSE, x.belowSE}, {&c.macs, x.macs}} {
			*p.into = (*p.into*n + p.x) / (n + 1)
		}
		c.seeds++
	}
	return cells, err
}

func (c cell) same(o cell) bool {
	return c.network == o.network && c.formats == o.formats && c.method == o.method && c.bits == o.bits && c.images == o.images
}

// tables are one for each network and menu of formats: a row a method, a column a
// size.
func tables(cells []cell, date string) string {
	var b strings.Builder
	type group struct{ network, formats string }
	var groups []group
	for _, c := range cells {
		if g := (group{c.network, c.formats}); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	for _, g := range groups {
		var sizes []float64
		var methods []string
		var own []cell
		for _, c := range cells {
			if (group{c.network, c.formats}) != g {
				continue
			}
			own = append(own, c)
			if !slices.Contains(sizes, c.bits) {
				sizes = append(sizes, c.bits)
			}
			if !slices.Contains(methods, c.method) {
				methods = append(methods, c.method)
			}
		}
		slices.Sort(sizes)
		fmt.Fprintf(&b, "%s, formats %s, %d test images, %d seeds, %s:\n\n| bits |", g.network, g.formats, own[0].images, own[0].seeds, date)
		for _, s := range sizes {
			fmt.Fprintf(&b, " %g |", s)
		}
		b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(sizes)) + "\n")
		for _, m := range methods {
			fmt.Fprintf(&b, "| %s |", m)
			for _, s := range sizes {
				i := slices.IndexFunc(own, func(c cell) bool { return c.method == m && c.bits == s })
				if i < 0 {
					b.WriteString(" |")
				} else {
					fmt.Fprintf(&b, " %.4f ± %.4f |", own[i].retention, own[i].stderr)
				}
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}
