package certify

import (
	"fmt"
	"io"
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
	sum := s.summarize(d)
	printMoved(out, sum)
	printPlaced(out, sum)
	printDrawn(out, sum, d.Draws)
	printLike(out, sum)
	fmt.Fprintf(out, "%s\n", proof.Statement)
	if len(sum.moved) > 0 {
		fmt.Fprintln(out, "the error is that of exact arithmetic: floating point may put an element that lies between two integers on either side")
	}
	if d.Whole > 0 {
		fmt.Fprintf(out, "decided with %.3g multiply-adds; whole runs of the same distinct images take %.3g, %.3g times as many\n", float64(d.MultiplyAdds), float64(d.Whole), float64(d.Whole)/float64(d.MultiplyAdds))
	}
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
		for _, p := range x.Spots {
			fmt.Fprintf(out, "image %d (right: %d) under %s: %s\n", i, x.Right, strings.TrimSpace(fmt.Sprintf("%s=%d %s", p.Kind, p.Extent, p.Way)), saySpots(&p))
		}
		for _, c := range x.Chances {
			fmt.Fprintf(out, "image %d (right: %d) under %s=%g: right with a probability of at least %.4f; %d of %d draws are\n", i, x.Right, c.Kind, c.Size, c.AtLeast, c.Right, d.Draws)
		}
	}
}

// table is a table of right-aligned columns, with its title.
func table(out io.Writer, title string) *tabwriter.Writer {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, title)
	return w
}

// printMoved is what is proved at every size.
func printMoved(out io.Writer, sum *summary) {
	if len(sum.moved) == 0 {
		return
	}
	w := table(out, "error\tevery size up to\timages proved right\tshare\tmean range\tmedian\tleast\tsampling misses\t")
	for _, m := range sum.moved {
		for i, row := range m.rows {
			name, figures := "", "\t\t\t"
			if i == 0 {
				name, figures = m.name, fmt.Sprintf("%.4f\t%.4f\t%.4f\t%d", m.mean, m.ends[sum.images/2], m.ends[0], m.past)
			}
			fmt.Fprintf(w, "%s\t%g\t%d\t%.4f\t%s\t\n", name, row.size, row.images, float64(row.images)/float64(sum.images), figures)
		}
	}
	w.Flush()
	fmt.Fprintf(out, "sampling misses: images whose answer becomes wrong and is right again at the next of the sizes 1/%d, 2/%d and so on, so that a measurement at these sees no error\n", proof.Samples, proof.Samples)
}

// printPlaced is what is proved at every place.
func printPlaced(out io.Writer, sum *summary) {
	if len(sum.placed) == 0 {
		return
	}
	w := table(out, "error\timages proved right at every place\tshare\tplaces with the right answer, mean\tleast\t")
	for _, p := range sum.placed {
		fmt.Fprintf(w, "%s\t%d\t%.4f\t%.4f\t%.4f\t\n", p.name, p.images, float64(p.images)/float64(sum.images), p.mean, p.shares[0])
	}
	w.Flush()
}

// printDrawn is what draws of random errors show.
func printDrawn(out io.Writer, sum *summary, draws int) {
	if len(sum.drawn) == 0 {
		return
	}
	w := table(out, "random error\tsize\timages right with probability .9\t.99\tleast bound\tthese images, mean at least\tmeasured\t")
	for _, x := range sum.drawn {
		fmt.Fprintf(w, "%s\t%g\t%d\t%d\t%.4f\t%.4f\t%.4f\t\n", x.name, x.size, x.often, x.always, x.least, x.atLeast, x.measured)
	}
	w.Flush()
	fmt.Fprintf(out, "probability: %d independent draws of each image and size, a number that stood before the first; bounds of Clopper and Pearson. All bounds on single images together hold with a confidence of .99, and so do all on these images' means\n", draws)
}

// printLike is what the images say of others, which is another matter.
func printLike(out io.Writer, sum *summary) {
	list := sum.likenesses()
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(out, "of images like these, if these %d are independent draws among them, at least these shares, with a confidence of .99 of what is proved and .99 of random errors:\n", sum.images)
	for _, x := range list {
		fmt.Fprintf(out, "  %s: %.4f\n", x.What, x.AtLeast)
	}
}

// saySpots is a list of places for people.
func saySpots(p *proof.Spots) string {
	switch {
	case p.Clean != nil:
		return fmt.Sprintf("wrong without an error: %d", *p.Clean)
	case len(p.Wrong) == 0:
		return fmt.Sprintf("right at all %d places, %d distinct images", p.Places, p.Distinct)
	}
	w := p.Wrong[0]
	return fmt.Sprintf("right at %d of %d places; wrong first at row %d, column %d: %d", p.Right(), p.Places, w.Row, w.Column, w.Answer)
}

// sayRange is a range for people.
func sayRange(r *proof.Range) string {
	switch {
	case r.To == nil:
		return fmt.Sprintf("wrong without an error: the answer is %d", *r.Then)
	case r.Then == nil:
		return fmt.Sprintf("right at every size, all %d distinct images", r.Distinct)
	case r.Including:
		return fmt.Sprintf("right at every size up to %s (%.6f), just after it the answer is %d", r.To.RatString(), r.To.Float(), *r.Then)
	}
	return fmt.Sprintf("right at every size below %s (%.6f), where the answer is %d", r.To.RatString(), r.To.Float(), *r.Then)
}
