// Command results writes the record of dnnc compare into RESULTS.md, between the two
// marker lines: means over seeds, with standard errors. make results runs it.
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"

	"github.com/dnnc/dnnc/cmd/internal/markers"
)

// The marker lines around the tables.
const (
	begin = "<!-- results: written by make results -->"
	end   = "<!-- end of results -->"
)

func main() {
	record := flag.String("record", "testdata/results/search.csv", "the record that dnnc compare wrote")
	into := flag.String("into", "RESULTS.md", "the file to refresh")
	date := flag.String("date", "", "the day of the measurements")
	flag.Parse()
	if err := refresh(*record, *into, *date); err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}

func refresh(record, into, date string) error {
	f, err := os.Open(record)
	if err != nil {
		return err
	}
	defer f.Close()
	cells, err := read(csv.NewReader(f))
	if err != nil {
		return fmt.Errorf("%s: %w", record, err)
	}
	return markers.Refresh(into, begin, end, tables(cells, date))
}

// cell is the outcomes of one method at one size of a network, one a seed.
type cell struct {
	network, formats, method string
	bits                     float64
	images                   int
	retention, below         sample // below the first method there
	macs                     sample
}

// sample is one figure of several seeds, each with its standard error over the
// images.
type sample struct{ seeds, values, errors []float64 }

func (s *sample) add(seed, value, stderr float64) {
	s.seeds, s.values, s.errors = append(s.seeds, seed), append(s.values, value), append(s.errors, stderr)
}

// join adds another's figures.
func (s *sample) join(o sample) {
	for i, seed := range o.seeds {
		s.add(seed, o.values[i], o.errors[i])
	}
}

// over is the mean of several figures, those that have all of the seeds. They share
// their images: their errors may all go together.
func over(list []sample) (mean sample) {
	var seeds []float64
	for _, s := range list {
		for _, seed := range s.seeds {
			if !slices.Contains(seeds, seed) {
				seeds = append(seeds, seed)
			}
		}
	}
	list = slices.DeleteFunc(slices.Clone(list), func(s sample) bool { return len(s.seeds) < len(seeds) })
	if len(list) == 0 {
		return mean
	}
	for _, seed := range seeds {
		var values, errors []float64
		for _, s := range list {
			i := slices.Index(s.seeds, seed)
			values, errors = append(values, s.values[i]), append(errors, s.errors[i])
		}
		mean.add(seed, stat.Mean(values, nil), stat.Mean(errors, nil))
	}
	return mean
}

func (s sample) mean() float64 { return stat.Mean(s.values, nil) }

// stderr is that of the mean. The seeds share their test images, so it is not smaller
// than theirs; nor than what the seeds' own spread gives.
func (s sample) stderr() float64 {
	own := stat.Mean(s.errors, nil)
	if len(s.values) < 2 {
		return own
	}
	return max(own, stat.StdErr(stat.StdDev(s.values, nil), float64(len(s.values))))
}

// wide is the half width of a 95 % interval, in standard errors.
const wide = 1.96

// read groups a record's rows; of rows for one seed the last counts.
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
	var runs []cell // of a seed
	for _, row := range rows[1:] {
		if number(row, "version") < latest || math.IsNaN(number(row, "retention")) {
			continue
		}
		x := cell{
			network: row[column["network"]], formats: row[column["formats"]], method: row[column["method"]],
			bits: number(row, "bits"), images: int(number(row, "images")),
		}
		seed := number(row, "seed")
		x.retention.add(seed, number(row, "retention"), number(row, "stderr"))
		if below := number(row, "below"); !math.IsNaN(below) { // as it is where the first method has nothing this small
			x.below.add(seed, below, number(row, "below_stderr"))
		}
		x.macs.add(seed, number(row, "macs"), 0)
		if i := slices.IndexFunc(runs, func(o cell) bool { return o.same(x) && o.retention.seeds[0] == seed }); i >= 0 {
			runs[i] = x
		} else {
			runs = append(runs, x)
		}
	}
	var cells []cell
	for _, x := range runs {
		i := slices.IndexFunc(cells, x.same)
		if i < 0 {
			cells = append(cells, x)
			continue
		}
		c := &cells[i]
		c.retention.join(x.retention)
		c.below.join(x.below)
		c.macs.join(x.macs)
	}
	return cells, err
}

func (c cell) same(o cell) bool {
	return c.network == o.network && c.formats == o.formats && c.method == o.method && c.bits == o.bits && c.images == o.images
}

// group is the cells of one table.
type group struct {
	network, formats string
	sizes            []float64
	methods          []string // the one that the others are compared with first
	cells            []cell
}

func groups(cells []cell) (list []group) {
	for _, c := range cells {
		i := slices.IndexFunc(list, func(g group) bool { return g.network == c.network && g.formats == c.formats })
		if i < 0 {
			i, list = len(list), append(list, group{network: c.network, formats: c.formats})
		}
		g := &list[i]
		g.cells = append(g.cells, c)
		if !slices.Contains(g.sizes, c.bits) {
			g.sizes = append(g.sizes, c.bits)
		}
		if !slices.Contains(g.methods, c.method) {
			g.methods = append(g.methods, c.method)
		}
	}
	for _, g := range list {
		slices.Sort(g.sizes)
	}
	return list
}

func (g *group) cell(method string, bits float64) *cell {
	for i := range g.cells {
		if c := &g.cells[i]; c.method == method && c.bits == bits {
			return c
		}
	}
	return nil
}

// seeds is how many the cells have: "2 to 3 seeds".
func (g *group) seeds() string {
	least, most := len(g.cells[0].retention.values), 0
	for _, c := range g.cells {
		least, most = min(least, len(c.retention.values)), max(most, len(c.retention.values))
	}
	switch {
	case most == 1:
		return "1 seed"
	case least == most:
		return fmt.Sprintf("%d seeds", most)
	}
	return fmt.Sprintf("%d to %d seeds", least, most)
}

// table writes a row a method, a column a size; text gives a cell's.
func (g *group) table(b *strings.Builder, methods []string, last string, text func(c *cell) string, end func(method string) string) {
	b.WriteString("| bits |")
	for _, s := range g.sizes {
		fmt.Fprintf(b, " %g |", s)
	}
	fmt.Fprintf(b, "%s\n| --- |%s\n", last, strings.Repeat(" --- |", len(g.sizes)+strings.Count(last, "|")))
	for _, m := range methods {
		fmt.Fprintf(b, "| %s |", m)
		for _, s := range g.sizes {
			if c := g.cell(m, s); c != nil && text(c) != "" {
				b.WriteString(" " + text(c))
			}
			b.WriteString(" |")
		}
		fmt.Fprintf(b, "%s\n", end(m))
	}
	b.WriteString("\n")
}

// tables are two for each network and menu of formats: what each method keeps, and
// how far the first one lies above the others.
func tables(cells []cell, date string) string {
	var b strings.Builder
	for _, g := range groups(cells) {
		fmt.Fprintf(&b, "%s, formats %s, %d test images, %s, %s; retention and its standard error at bits a weight:\n\n",
			g.network, g.formats, g.cells[0].images, g.seeds(), date)
		g.table(&b, g.methods, "", func(c *cell) string {
			return fmt.Sprintf("%.4f ± %.4f", c.retention.mean(), c.retention.stderr())
		}, func(string) string { return "" })
		if len(g.methods) == 1 {
			continue
		}
		fmt.Fprintf(&b, "%s above the others, with half the width of the 95 %% interval of the paired difference, and in the mean of the sizes that have all seeds; **bold** where it lies significantly below:\n\n", g.methods[0])
		g.table(&b, g.methods[1:], " mean |", (*cell).gap, func(m string) string {
			mean := over(g.gaps(m))
			if len(mean.values) == 0 {
				return " |" // no size has all seeds
			}
			return " " + gap(mean.mean(), mean.stderr()) + " |"
		})
		if text := g.effort(); text != "" {
			b.WriteString(text + "\n\n")
		}
	}
	b.WriteString(overall(groups(cells)))
	return strings.TrimSuffix(b.String(), "\n")
}

// gaps are how far the first method lies above another, a sample a size.
func (g *group) gaps(method string) (list []sample) {
	for _, s := range g.sizes {
		if c := g.cell(method, s); c != nil && len(c.below.values) > 0 {
			list = append(list, c.below)
		}
	}
	return list
}

// overall is the mean over all sizes of all networks with the first group's formats, of
// the methods that have all seeds on each.
func overall(list []group) string {
	if len(list) == 0 {
		return ""
	}
	first := list[0]
	var b strings.Builder
	for _, m := range first.methods[1:] {
		var all []sample
		networks, seeds := 0, 0
		for _, g := range list {
			if gaps := g.gaps(m); g.formats == first.formats {
				networks++
				for _, s := range gaps {
					seeds = max(seeds, len(s.seeds))
				}
			}
		}
		for _, g := range list {
			if g.formats != first.formats {
				continue
			}
			gaps := slices.DeleteFunc(g.gaps(m), func(s sample) bool { return len(s.seeds) < seeds })
			if len(gaps) > 0 {
				networks--
			}
			all = append(all, gaps...)
		}
		if mean := over(all); networks == 0 && len(list) > 1 && len(mean.values) > 0 {
			fmt.Fprintf(&b, "| %s | %s |\n", m, gap(mean.mean(), mean.stderr()))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("%s above the others in the mean of the cells of all networks, formats %s; the interval is an upper bound, as networks' errors do not all go together:\n\n| method | mean |\n| --- | --- |\n%s\n", first.methods[0], first.formats, b.String())
}

// gap is how far the first method lies above; "" where it has nothing this small.
func (c *cell) gap() string {
	if len(c.below.values) == 0 {
		return ""
	}
	return gap(c.below.mean(), c.below.stderr())
}

func gap(value, stderr float64) string {
	text := fmt.Sprintf("%+.4f ± %.4f", value, wide*stderr)
	if value+wide*stderr < 0 {
		return "**" + text + "**"
	}
	return text
}

// effort compares what Q* and Qed retain and measure.
func (g *group) effort() string {
	least, most := math.Inf(1), 0.0
	for _, s := range g.sizes {
		if a, b := g.cell("qed", s), g.cell("qstar", s); a != nil && b != nil {
			least = min(least, b.retention.mean()/a.retention.mean())
			most = max(most, b.macs.mean()/a.macs.mean())
		}
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("qstar keeps at least %.4f of what qed does, with at most %.3f of its multiply-adds.", least, most)
}
