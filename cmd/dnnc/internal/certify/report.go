package certify

import (
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc/runtime/proof"
)

// listed is the most images whose ranges are printed one by one.
const listed = 20

// print says what was proved of the set, and of a few images of each.
func (s *subject) print(out io.Writer, d *proof.Document) {
	n := len(d.Decided)
	if n == 0 {
		fmt.Fprintf(out, "no image of %d is decided\n", d.Images)
		return
	}
	fmt.Fprintf(out, "%s: %d images; right is %s; content %.12s\n", d.Network, n, d.Right, d.Content)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "error\tevery size up to\timages proved right\tshare\tmean range\tmedian\tleast\t")
	from := 0
	for _, g := range s.groups {
		holds := func(size *big.Rat) (images int) {
			for _, x := range d.Decided {
				if !slices.ContainsFunc(x.Ranges[from:from+len(g.kinds)], func(r proof.Range) bool { return !r.Holds(size) }) {
					images++
				}
			}
			return images
		}
		ends := make([]float64, n)
		mean := 0.
		for i, x := range d.Decided {
			ends[i] = 1
			for _, r := range x.Ranges[from : from+len(g.kinds)] {
				if r.To == nil {
					ends[i] = 0
				} else {
					ends[i] = min(ends[i], r.To.Float())
				}
			}
			mean += ends[i] / float64(n)
		}
		slices.Sort(ends)
		for i, size := range append([]float64{0}, g.sizes...) {
			if i > 0 && size == 0 {
				continue
			}
			figures := "\t\t\t"
			name := ""
			if i == 0 {
				name, figures = g.name, fmt.Sprintf("%.4f\t%.4f\t%.4f\t", mean, ends[n/2], ends[0])
			}
			count := holds(new(big.Rat).SetFloat64(size))
			fmt.Fprintf(w, "%s\t%g\t%d\t%.4f\t%s\n", name, size, count, float64(count)/float64(n), figures)
		}
		from += len(g.kinds)
	}
	w.Flush()
	fmt.Fprintf(out, "%s\n", proof.Statement)
	fmt.Fprintln(out, "the error is that of exact arithmetic: floating point may put an element that lies between two integers on either side")
	fmt.Fprintf(out, "decided with %.3g multiply-adds; whole runs of the same distinct images take %.3g\n", float64(d.MultiplyAdds), float64(d.Whole))
	if whole := s.net.Whole(); len(whole) > 0 {
		fmt.Fprintf(out, "evaluated as a whole wherever an argument changed: %s\n", strings.Join(whole, " "))
	}
	if n > listed {
		return
	}
	for i, x := range d.Decided {
		for _, r := range x.Ranges {
			fmt.Fprintf(out, "image %d (right: %d) under %s: %s\n", i, x.Right, strings.TrimSpace(r.Kind+" "+r.Way), sayRange(&r))
		}
	}
}

// sayRange is a range for people.
func sayRange(r *proof.Range) string {
	switch {
	case r.To == nil:
		return fmt.Sprintf("wrong without an error: %d", *r.Then)
	case r.Then == nil:
		return fmt.Sprintf("right at every size, all %d distinct images", r.Distinct)
	case r.Including:
		return fmt.Sprintf("right at every size up to %s (%.6f), just after it %d", r.To.RatString(), r.To.Float(), *r.Then)
	}
	return fmt.Sprintf("right at every size below %s (%.6f), there %d", r.To.RatString(), r.To.Float(), *r.Then)
}
