package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"
)

// text is the tables of figures.
func (s *study) text(all []figure) string {
	var b strings.Builder
	isUnusual := func(f figure) bool { return f.way == cleanWay || f.way == seenWay }
	list := slices.DeleteFunc(slices.Clone(all), isUnusual)
	shown := []string{universalWay, robustWay}
	legend := "one width for all layers / `-O robust` in no more bytes"
	if s.before != "" {
		shown = append(shown, beforeWay)
		legend += " / `-O robust` of commit " + s.revision + ", which knew no tasks"
	}
	if s.date != "" {
		fmt.Fprintf(&b, "Measured %s.\n\n", s.date)
	}
	fmt.Fprintf(&b, "Lost under the errors of the example, in percent of what the float network is above the best constant\nanswer: %s.\n", legend)
	fmt.Fprintf(&b, "Means of the seeds of errors, %d new items each. What robust loses less has its standard error, paired by item.\n\n", s.items)
	head := []string{"example", "result", "task", "seeds", "measure, float"}
	for _, w := range widths {
		head = append(head, fmt.Sprintf("%d bits", w))
	}
	head = append(head, "mean of the sizes", "robust loses less by")
	line(&b, head...)
	line(&b, slices.Repeat([]string{"---"}, len(head))...)
	isSize := func(f figure) bool { return !f.isKeep() }
	var gaps []float64
	results := group(list)
	for _, own := range results {
		lost := func(holds func(f figure) bool) string {
			var cells []string
			for _, way := range shown {
				cells = append(cells, mean("%.1f", own, func(f figure) (float64, bool) { return 100 * (1 - f.kept), f.way == way && holds(f) }))
			}
			return strings.Join(cells, " / ")
		}
		first := own[0]
		cells := []string{"`" + first.example + "`", first.result, first.task, fmt.Sprint(seeds(slices.DeleteFunc(slices.Clone(own), func(f figure) bool { return !isSize(f) }))), strings.ReplaceAll(first.measure, "|", `\|`) + " " + mean("%.3f", own, func(f figure) (float64, bool) { return f.float, f.way != refusedWay })}
		for _, w := range widths {
			cells = append(cells, lost(func(f figure) bool { return f.budget == fmt.Sprint(w) }))
		}
		gap := func(f figure) (float64, bool) { return 100 * f.gap, f.way == robustWay && isSize(f) }
		// All sizes and seeds have the same items: their errors are taken for one.
		gapE := func(f figure) (float64, bool) { return 100 * f.gapE, f.way == robustWay && isSize(f) }
		line(&b, append(cells, lost(isSize), mean("%.2f", own, gap)+" ± "+mean("%.2f", own, gapE))...)
		gaps = append(gaps, stat.Mean(some(own, gap), nil))
	}
	if len(gaps) > 1 {
		m, deviation := stat.MeanStdDev(gaps, nil)
		fmt.Fprintf(&b, "\nIn the mean of the results robust loses less by %.2f ± %.2f (standard error over %d results).\n", m, deviation/math.Sqrt(float64(len(gaps))), len(gaps))
	}
	s.promises(&b, results)
	unusual(&b, slices.DeleteFunc(slices.Clone(all), func(f figure) bool { return !isUnusual(f) }))
	return strings.TrimSuffix(b.String(), "\n")
}

// promises is the table of what -keep builds, and says what it did not hold: how many of the
// builds were refused, and how many of the others have a result whose estimate on the new items
// lies below the share. Results are of figures of one each.
func (s *study) promises(b *strings.Builder, results [][]figure) {
	fmt.Fprintf(b, "\n`-keep %v`: seeds that are built with %d items, of those that are not how many with %d,\nbits a weight, and what is kept of the new items with its standard error.\n\n", keep, calibrate, more)
	head := []string{"example", "result", "built", "with more", "bits", "kept"}
	if s.before != "" {
		head = append(head, "bits, "+s.revision, "kept, "+s.revision)
	}
	line(b, head...)
	line(b, slices.Repeat([]string{"---"}, len(head))...)
	type build struct {
		example string
		seed    uint64
	}
	asked, again, refused, below := map[build]bool{}, map[build]bool{}, map[build]bool{}, map[build]bool{}
	var furthest float64
	var at build
	for _, own := range results {
		cells := []string{"`" + own[0].example + "`", own[0].result}
		var built, before []figure
		for _, budget := range []string{keepBudget, moreBudget} {
			n := 0
			of := slices.DeleteFunc(slices.Clone(own), func(f figure) bool { return f.budget != budget })
			for _, f := range of {
				one := build{f.example, f.seed}
				switch f.way {
				case beforeWay:
					before = append(before, f)
					continue
				case refusedWay:
					if again[one] = true; budget == moreBudget {
						refused[one] = true
					}
				case robustWay:
					built = append(built, f)
				}
				asked[one] = true
				n++
				if f.way != robustWay || f.kept >= keep {
					continue
				}
				below[one] = true
				if by := (keep - f.kept) / f.keptE; by > furthest {
					furthest, at = by, one
				}
			}
			yes := slices.DeleteFunc(of, func(f figure) bool { return f.way != robustWay })
			if cells = append(cells, fmt.Sprintf("%d of %d", len(yes), n)); n == 0 {
				cells[len(cells)-1] = "-"
			}
		}
		cells = append(cells, keeps(built)...)
		if s.before != "" {
			cells = append(cells, keeps(before)...)
		}
		line(b, cells...)
	}
	fmt.Fprintf(b, "\nBuilds with `-keep`, one an example and a seed of errors: %d. Refused with %d items: %d, with %d: %d. With a\nresult that keeps less than %v by the estimate on the new items: %d", len(asked), calibrate, len(again), more, len(refused), keep, len(below))
	if len(below) > 0 {
		fmt.Fprintf(b, ", the furthest by %.1f standard errors (`%s`, seed %d)", furthest, at.example, at.seed)
	}
	fmt.Fprint(b, ".\n")
}

// keeps is the bits a weight of figures, and what they keep.
func keeps(list []figure) []string {
	of := func(format string, x func(f figure) float64) string {
		return mean(format, list, func(f figure) (float64, bool) { return x(f), true })
	}
	kept := of("%.4f", func(f figure) float64 { return f.kept })
	if kept != "-" {
		kept += " ± " + of("%.4f", func(f figure) float64 { return f.keptE })
	}
	return []string{of("%.2f", func(f figure) float64 { return f.bits }), kept}
}

// unusual is the table of searches that saw clean items alone and of those that saw them
// under the errors that are measured under.
func unusual(b *strings.Builder, list []figure) {
	if len(list) == 0 {
		return
	}
	fmt.Fprint(b, "\nLost under drift, gain and dropout, in percent: searches that saw clean items alone / that saw these errors.\n")
	fmt.Fprint(b, "What the latter lose less has its standard error over the seeds.\n\n")
	head := []string{"example", "result", "seeds", "measure, float"}
	for _, w := range unusualWidths {
		head = append(head, fmt.Sprintf("%d bits", w))
	}
	head = append(head, "seen loses less by", "")
	line(b, head...)
	line(b, slices.Repeat([]string{"---"}, len(head))...)
	for _, own := range group(list) {
		first := own[0]
		cells := []string{"`" + first.example + "`", first.result, fmt.Sprint(seeds(own)), strings.ReplaceAll(first.measure, "|", `\|`) + " " + mean("%.3f", own, func(f figure) (float64, bool) { return f.float, true })}
		for _, w := range unusualWidths {
			lost := func(way string) string {
				return mean("%.1f", own, func(f figure) (float64, bool) { return 100 * (1 - f.kept), f.way == way && f.budget == fmt.Sprint(w) })
			}
			cells = append(cells, lost(cleanWay)+" / "+lost(seenWay))
		}
		// The mean of the sizes, a figure a seed.
		sums := map[uint64][]float64{}
		for _, f := range own {
			if f.way == seenWay {
				sums[f.seed] = append(sums[f.seed], 100*f.gap)
			}
		}
		var gaps []float64
		for _, seed := range slices.Sorted(maps.Keys(sums)) {
			gaps = append(gaps, stat.Mean(sums[seed], nil))
		}
		m, deviation := stat.MeanStdDev(gaps, nil)
		stderr, says := deviation/math.Sqrt(float64(len(gaps))), "no difference is shown"
		switch {
		case len(gaps) < 2:
			says = "one seed"
		case m > 2*stderr:
			says = "it pays to see them"
		case m < -2*stderr:
			says = "it does not pay to see them"
		}
		gap := fmt.Sprintf("%.2f", m)
		if len(gaps) > 1 {
			gap += fmt.Sprintf(" ± %.2f", stderr)
		}
		line(b, append(cells, gap, says)...)
	}
}

// group is the figures of each result, in their order.
func group(list []figure) (out [][]figure) {
	for _, f := range list {
		i := slices.IndexFunc(out, func(own []figure) bool { return own[0].example == f.example && own[0].result == f.result })
		if i < 0 {
			i, out = len(out), append(out, nil)
		}
		out[i] = append(out[i], f)
	}
	return out
}

// seeds counts those of figures.
func seeds(list []figure) int {
	found := map[uint64]bool{}
	for _, f := range list {
		found[f.seed] = true
	}
	return len(found)
}

func line(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// some are those of the figures that are wanted.
func some(list []figure, of func(f figure) (x float64, isWanted bool)) (out []float64) {
	for _, f := range list {
		if x, isWanted := of(f); isWanted {
			out = append(out, x)
		}
	}
	return out
}

// mean is the mean of figures as text, "-" where there are none.
func mean(format string, list []figure, of func(f figure) (x float64, isWanted bool)) string {
	x := stat.Mean(some(list, of), nil)
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf(format, x)
}
