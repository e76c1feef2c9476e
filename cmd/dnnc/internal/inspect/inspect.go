// Package inspect reads what a build left: dnnc explain and dnnc diff certificates,
// dnnc size an object.
package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/input"
)

// open reads a certificate. One of another schema is an error of the given kind.
func open(path string, otherSchema diag.Kind) (*certificate.Certificate, error) {
	raw, err := input.Read(path, 256<<20)
	if err != nil {
		return nil, diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	c, err := certificate.Parse(raw)
	if err != nil {
		kind := diag.BadFile
		if errors.As(err, new(certificate.VersionError)) {
			kind = otherSchema
		}
		return nil, diag.New(diag.Pos{File: path, Line: 1, Col: 1}, kind, "%v", err).
			WithHelp("build again: dnnc writes the certificate anew; dnnc diff -accept takes that of a new build in place of an old one")
	}
	return c, nil
}

func table(out io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
}

// Explain says why each layer has its width: what the next smaller and the next
// larger format would have saved and cost.
func Explain(_ context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
	c, err := open(args[0], diag.BadFile)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s for %s: %d bytes of weights (%.3f bits each), -O %s", c.Network, c.Target, c.WeightBytes, c.AverageBits, c.Optimize)
	if c.Search.Evaluations > 0 {
		fmt.Fprintf(stdout, ", chosen by %s in %d evaluations", c.Search.Method, c.Search.Evaluations)
	}
	fmt.Fprint(stdout, "\n")
	if c.Stream != nil {
		fmt.Fprintln(stdout, c.Stream)
	}
	if c.Rows != nil {
		fmt.Fprintln(stdout, c.Rows)
	}
	if c.Threads != nil {
		fmt.Fprintln(stdout, c.Threads)
	}
	if c.Retention != nil && c.Quantized != nil && c.Float != nil {
		stderr := "-" // of one image there is none
		if c.RetentionSE != nil {
			stderr = fmt.Sprintf("%.4f", *c.RetentionSE)
		}
		fmt.Fprintf(stdout, "It has %.4f +- %s of the robust accuracy of the float network (%.4f of %.4f, %d images).\n", *c.Retention, stderr, c.Quantized.Mean, c.Float.Mean, c.Measured.Images)
	}
	switch bits := activations(c); {
	case c.Activations != nil:
		fmt.Fprintln(stdout, quote.Line(c.Activations.String()))
	case bits != "":
		fmt.Fprintf(stdout, "-activations %s\n", quote.Line(bits))
	}
	measured := false
	w := table(stdout)
	short, long := "KL", "KL divergence"
	if c.Search.Divergence != "" {
		short, long = "divergence", "divergence, "+c.Search.Divergence+","
	}
	fmt.Fprintf(w, "\nlayer\tformat\tbytes\tcost (%s)\tless\tbytes\tcost\tmore\tbytes\tcost\t\n", short)
	for _, l := range c.Layers {
		less, more := neighbours(l)
		cost := "-"
		if l.Cost > 0 {
			cost = fmt.Sprintf("%.5f", l.Cost)
		}
		measured = measured || len(l.Choices) > 0
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t\n", l.Name, l.Format, l.WeightBytes, cost, change(l, less), change(l, more))
	}
	w.Flush()
	if !measured {
		fmt.Fprintf(stdout, "\nNothing was searched: the widths are those of -O %s and -fix.\n", c.Optimize)
		return nil
	}
	fmt.Fprintf(stdout, "\ncost is the mean %s of the answers when this layer alone has the format, on disturbed\nimages; less and more are the next formats, in bytes, that cost no less or more, with what they would change;\n~ marks a cost that was estimated, not measured.\n", long)
	for _, k := range c.Search.Candidates {
		mark := " "
		if k.Chosen {
			mark = "*"
		}
		fmt.Fprintf(stdout, "%s %-24s %8d bytes, %s %.5f: %s\n", mark, k.Origin, k.Bytes, short, k.KL, strings.Join(k.Formats, " "))
	}
	return nil
}

// neighbours are the choices next to the chosen format: the largest smaller one, and
// the smallest larger one, of those that no other beats in both bytes and cost.
func neighbours(l certificate.Layer) (less, more *certificate.Choice) {
	for i := range l.Choices {
		c := &l.Choices[i]
		beaten := false
		for _, d := range l.Choices {
			beaten = beaten || d.Format != c.Format && d.WeightBytes <= c.WeightBytes && d.Cost < c.Cost
		}
		switch {
		case beaten || c.Format == l.Format:
		case c.WeightBytes < l.WeightBytes && (less == nil || c.WeightBytes > less.WeightBytes):
			less = c
		case c.WeightBytes > l.WeightBytes && (more == nil || c.WeightBytes < more.WeightBytes):
			more = c
		}
	}
	return less, more
}

// change is what a choice would change, in three columns.
func change(l certificate.Layer, c *certificate.Choice) string {
	if c == nil {
		return "-\t\t"
	}
	estimated := ""
	if !c.Measured {
		estimated = "~"
	}
	return fmt.Sprintf("%s\t%+d\t%s%+.5f", c.Format, c.WeightBytes-l.WeightBytes, estimated, c.Cost-l.Cost)
}

// Diff compares two certificates: what differs of what they were made from, and in
// what came out; with limits, whether they are kept.
func Diff(paths []string, g Guard, stdout io.Writer) error {
	b, err := open(paths[1], diag.Incomparable)
	if err != nil {
		return err
	}
	if g.Accept && isAbsent(paths[0]) {
		fmt.Fprintf(stdout, "%s is new\n", paths[0])
		return accept(paths)
	}
	a, err := open(paths[0], diag.Incomparable)
	switch {
	case g.Accept && err != nil && filepath.Ext(paths[0]) != ".json":
		return diag.New(diag.Pos{File: paths[0]}, diag.BadOutput, "-accept would write over a file that is no certificate").
			WithHelp("name the certificate of the build before; a broken one is replaced only where its name ends in .json")
	case g.Accept && err != nil: // what takes its place is right
		fmt.Fprintf(stdout, "%s is no certificate that this dnnc reads\n", paths[0])
	case err != nil:
		return err
	case g.Max != nil:
		if err = g.check(stdout, paths, a, b); err != nil && g.Accept {
			fmt.Fprintln(stdout, err)
		}
	default:
		err = differences(stdout, paths, a, b)
	}
	if g.Accept {
		return accept(paths)
	}
	return err
}

// differences prints what differs of two builds.
func differences(stdout io.Writer, args []string, a, b *certificate.Certificate) error {
	if a.Content == b.Content {
		fmt.Fprintf(stdout, "the same object: content %.16s\n", a.Content)
	}
	w := table(stdout)
	differ := func(name string, x, y any) {
		if x != y {
			fmt.Fprintf(w, "%s\t%v\t%v\t\n", name, x, y)
		}
	}
	number := func(name string, x, y float64) {
		if x != y {
			fmt.Fprintf(w, "%s\t%.6g\t%.6g\t%+.6g\t\n", name, x, y, y-x)
		}
	}
	fmt.Fprintf(w, "\t%s\t%s\tchange\t\n", filepath.Base(args[0]), filepath.Base(args[1]))
	differ("network", a.Network, b.Network)
	differ("target", a.Target, b.Target)
	differ("llvm", a.LLVM, b.LLVM)
	differ("-O", a.Optimize, b.Optimize)
	differ("search", a.Search.Method, b.Search.Method)
	differ("seed", a.Seed, b.Seed)
	differ("-activations", cmp.Or(activations(a), "-"), cmp.Or(activations(b), "-"))
	differ("chosen values of 16 bits", chosen(a), chosen(b))
	differ("errors", strings.Join(a.Errors, ";"), strings.Join(b.Errors, ";"))
	for _, name := range names(a.Inputs, b.Inputs, func(i certificate.Input) string { return i.Name }) {
		hash := func(list []certificate.Input) string {
			for _, i := range list {
				if i.Name == name {
					return fmt.Sprintf("%.12s", i.SHA256)
				}
			}
			return "-"
		}
		differ(name, hash(a.Inputs), hash(b.Inputs))
	}
	number("bytes of weights", float64(a.WeightBytes), float64(b.WeightBytes))
	number("bits a weight", a.AverageBits, b.AverageBits)
	number("bytes of constants", float64(a.OtherBytes), float64(b.OtherBytes))
	number("bytes of code", float64(a.CodeBytes), float64(b.CodeBytes))
	number("bytes of RAM", float64(a.ArenaBytes), float64(b.ArenaBytes))
	number("search evaluations", float64(a.Search.Evaluations), float64(b.Search.Evaluations))
	if a.Quantized != nil && b.Quantized != nil {
		number("accuracy", a.Quantized.Clean, b.Quantized.Clean)
		number("robust accuracy", a.Quantized.Mean, b.Quantized.Mean)
	}
	if a.Retention != nil && b.Retention != nil {
		number("retention", *a.Retention, *b.Retention)
		d, of := *b.Retention-*a.Retention, 0.0
		if a.RetentionSE != nil && b.RetentionSE != nil {
			of = math.Hypot(*a.RetentionSE, *b.RetentionSE)
		}
		if pairable(func(format string, args ...any) error { return fmt.Errorf(format, args...) }, a, b) == nil {
			of = fall(&a.Results[0], &b.Results[0], b.Measured.Images).stdErr / 100
		}
		if math.Abs(d) < 2*of {
			fmt.Fprintf(w, "\t\t\twithin its error\t\n")
		}
	}
	for _, name := range names(a.Layers, b.Layers, func(l certificate.Layer) string { return l.Name }) {
		format := func(list []certificate.Layer) string {
			for _, l := range list {
				if l.Name == name {
					return l.Format
				}
			}
			return "-"
		}
		differ(name, format(a.Layers), format(b.Layers))
	}
	return w.Flush()
}

// activations are the ranges and bits of activations that a build was asked for; "" of what is usual.
func activations(c *certificate.Certificate) string {
	if c.Recipe == nil {
		return ""
	}
	return c.Recipe.Activations
}

// chosen are the values that -activations auto gave 16 bits.
func chosen(c *certificate.Certificate) string {
	if c.Activations == nil {
		return "-"
	}
	return cmp.Or(quote.Line(strings.Join(c.Activations.Wide, " ")), "none")
}

// names are those of two lists, each once, in the order of the first.
func names[T any](a, b []T, name func(T) string) []string {
	var out []string
	seen := map[string]bool{}
	for _, list := range [][]T{a, b} {
		for _, x := range list {
			if n := name(x); !seen[n] {
				out, seen[n] = append(out, n), true
			}
		}
	}
	return out
}
