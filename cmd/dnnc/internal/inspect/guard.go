package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/decimal"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/dnnc/dnnc/runtime/replace"
)

// Guard is what a build may change, by the certificates of the build before and after.
type Guard struct {
	Max    Limits
	Accept bool // the new certificate takes the place of the old one, whatever changed
}

// Limits are those of -max, in the order given.
type Limits []limit

// limit is how much a figure may grow: by a share of what it was, or by units of its own.
type limit struct {
	of      *figure
	by      float64
	isShare bool
}

// figure is something that -max bounds.
type figure struct {
	name, unit string
	units      []unit // suffixes of a limit
	noShare    string // why no limit in percent makes sense; "" where one does
	// of is the figure of a build; absent says what the build lacks where it has none.
	of func(c *certificate.Certificate) (x float64, absent string)
}

type unit struct {
	suffix string
	factor float64
}

var bytesOf = []unit{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"kB", 1e3}, {"MB", 1e6}}

const noObject = "no object, and so no bytes of code and stack"

// figures are those that -max takes. loss is measured, and has an interval; what the
// others say is certain.
var figures = []*figure{
	{name: "flash", unit: "bytes", units: bytesOf, of: func(c *certificate.Certificate) (float64, string) {
		bytes, isKnown := c.Flash()
		return float64(bytes), lacks(!isKnown, noObject)
	}},
	{name: "ram", unit: "bytes", units: bytesOf, of: func(c *certificate.Certificate) (float64, string) {
		return float64(c.ArenaBytes + c.StackBytes), lacks(c.CodeBytes == 0, noObject)
	}},
	{name: "arena", unit: "bytes", units: bytesOf, of: func(c *certificate.Certificate) (float64, string) { return float64(c.ArenaBytes), "" }},
	{name: "weights", unit: "bytes", units: bytesOf, of: func(c *certificate.Certificate) (float64, string) { return float64(c.WeightBytes), "" }},
	{name: "cycles", unit: "estimated cycles", of: func(c *certificate.Certificate) (float64, string) {
		return c.Cycles, lacks(c.Cycles == 0, "no estimate of cycles")
	}},
	{name: loss, unit: "points of retention", noShare: "the loss is in points of retention, of which 100 are all that the float network has"},
}

const loss = "loss"

func lacks(is bool, what string) string {
	if is {
		return what
	}
	return ""
}

// Set reads limits as -max has them: flash=+2%,ram=+0,loss=+0.5.
func (l *Limits) Set(list string) error {
	var names []string
	for _, f := range figures {
		names = append(names, f.name)
	}
	*l = nil
	for _, part := range strings.Split(list, ",") {
		name, value, has := strings.Cut(part, "=")
		i := slices.Index(names, name)
		switch {
		case i < 0:
			return fmt.Errorf("%q is none of %s; write flash=+2%%,ram=+0,loss=+0.5", name, strings.Join(names, ", "))
		case slices.ContainsFunc(*l, func(o limit) bool { return o.of == figures[i] }):
			return fmt.Errorf("%s has two limits", name)
		case !has:
			return fmt.Errorf("%s has no limit; write %s=+0", name, name)
		}
		x, err := limitOf(figures[i], value)
		if err != nil {
			return err
		}
		*l = append(*l, x)
	}
	return nil
}

// limitOf reads one limit.
func limitOf(f *figure, value string) (limit, error) {
	number, isShare := strings.CutSuffix(value, "%")
	if isShare && f.noShare != "" {
		return limit{}, fmt.Errorf("%s=%s: %s; write %s=+0.5", f.name, value, f.noShare, f.name)
	}
	factor := 1.0
	for _, u := range f.units {
		if head, ok := strings.CutSuffix(number, u.suffix); ok && !isShare {
			number, factor = head, u.factor
			break
		}
	}
	x, err := decimal.Float(number, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return limit{}, fmt.Errorf("%s=%s is no limit; write %s=+0, or another number of %s", f.name, value, f.name, f.unit)
	}
	return limit{of: f, by: x * factor, isShare: isShare}, nil
}

// String is a limit as a line has it.
func (l *limit) String() string {
	if l.isShare {
		return fmt.Sprintf("%+g %%", l.by)
	}
	return fmt.Sprintf("%+g", l.by)
}

// The outcomes of a limit. Only what is certain fails.
const (
	holds     = "holds"
	fails     = "FAILS"
	undecided = "undecided"
)

// check prints a line for each limit; the error says which fail. Builds whose figures say
// nothing of each other are refused before.
func (g *Guard) check(out io.Writer, paths []string, a, b *certificate.Certificate) error {
	if err := g.comparable(paths, a, b); err != nil {
		return err
	}
	var failed []string
	say := func(l *limit, name, outcome, format string, args ...any) {
		fmt.Fprintf(out, "%s: %s, at most %v: %s\n", name, fmt.Sprintf(format, args...), l, outcome)
		if outcome == fails {
			failed = append(failed, name)
		}
	}
	for i := range g.Max {
		l := &g.Max[i]
		if l.of.name == loss {
			for k := range b.Results {
				name := loss
				if len(b.Results) > 1 {
					name += " of " + b.Results[k].Name
				}
				d := fall(&a.Results[k], &b.Results[k], b.Measured.Images)
				say(l, name, d.outcome(l.by), "%v", d)
			}
			continue
		}
		was, _ := l.of.of(a)
		is, _ := l.of.of(b)
		outcome := holds
		if more := is - was; l.isShare && 100*more > l.by*was || !l.isShare && more > l.by {
			outcome = fails
		}
		share := ""
		if was > 0 {
			share = fmt.Sprintf(", %+.2f %%", 100*(is-was)/was)
		}
		say(l, l.of.name, outcome, "%.0f %s, was %.0f (%+.0f%s)", is, l.of.unit, was, is-was, share)
	}
	if failed == nil {
		return nil
	}
	return diag.New(diag.Pos{File: paths[1]}, diag.CheckFailed, "past its limit: %s", strings.Join(failed, ", ")).
		WithHelp("dnnc diff -accept makes this build the one to compare with")
}

// comparable refuses builds whose figures say nothing of each other.
func (g *Guard) comparable(paths []string, a, b *certificate.Certificate) error {
	refuse := func(format string, args ...any) error {
		return diag.New(diag.Pos{File: paths[1]}, diag.Incomparable, "not comparable with %s: %s", filepath.Base(paths[0]), fmt.Sprintf(format, args...)).
			WithHelp("dnnc diff -accept makes this build the one to compare with")
	}
	if a.Target != b.Target {
		return refuse("the target is %s, and was %s", b.Target, a.Target)
	}
	for i := range g.Max {
		f := g.Max[i].of
		if f.name == loss {
			if err := pairable(refuse, a, b); err != nil {
				return err
			}
			continue
		}
		for k, c := range []*certificate.Certificate{a, b} {
			if _, absent := f.of(c); absent != "" {
				return refuse("-max %s: %s has %s", f.name, filepath.Base(paths[k]), absent)
			}
		}
	}
	return nil
}

// pairable refuses losses that were not measured on the same items in the same way.
func pairable(refuse func(format string, args ...any) error, a, b *certificate.Certificate) error {
	for _, c := range []*certificate.Certificate{a, b} {
		if c.Measured.Images == 0 || len(c.Results) == 0 || slices.Contains(c.NotMeasured, certificate.Accuracy) {
			return refuse("-max loss: nothing was measured; build both with -data and -report accuracy")
		}
	}
	hash := func(c *certificate.Certificate) (sums string) { // of all files of this name: others may calibrate
		for _, in := range c.Inputs {
			if in.Name == c.Measured.Data {
				sums += fmt.Sprintf(" %.12s", in.SHA256)
			}
		}
		return sums
	}
	was, is := a.Measured, b.Measured
	switch {
	case was.Data == "" || is.Data == "":
		return refuse("-max loss: images of noise stand in for data; build both with -data")
	case hash(a) != hash(b):
		return refuse("-max loss: the data are %s with sha256%s, and were %s with%s", is.Data, hash(b), was.Data, hash(a))
	case strings.Join(a.Errors, ";") != strings.Join(b.Errors, ";"):
		return refuse("-max loss: the errors are %s, and were %s", strings.Join(b.Errors, ";"), strings.Join(a.Errors, ";"))
	case was.Images != is.Images || was.Items != is.Items:
		return refuse("-max loss: %d items were measured, and %d other ones or other labels before; -n draws by the seed", is.Images, was.Images)
	case was.Task != is.Task || was.Measure != is.Measure || was.Labels != is.Labels || len(a.Results) != len(b.Results):
		return refuse("-max loss: the task is %s by %s with labels %s, and was %s by %s with labels %s", is.Task, is.Measure, is.Labels, was.Task, was.Measure, was.Labels)
	}
	for k := range b.Results {
		for _, c := range []*certificate.Certificate{a, b} {
			if r := &c.Results[k]; r.Retention == nil || r.Parts(c.Measured.Images) == nil {
				return refuse("-max loss: the retention of %s is not defined, or of a certificate by an earlier dnnc", r.Name)
			}
		}
		if a.Results[k].Name != b.Results[k].Name {
			return refuse("-max loss: the result %s was %s", b.Results[k].Name, a.Results[k].Name)
		}
	}
	return nil
}

// twoSided is the quantile of a normal distribution for an interval of 95 %.
const twoSided = 1.959964

// difference is what a build loses against another, in points of retention, with the error
// of the difference over the items, which both answered.
type difference struct {
	value, stdErr float64
	items         int
	differ        float64 // items that are answered otherwise, as many alike
}

func fall(a, b *certificate.Result, items int) difference {
	was, is := a.Parts(items), b.Parts(items)
	mean := 0.0
	for i := range is {
		mean += (was[i] - is[i]) / float64(items)
	}
	sum, squares := 0.0, 0.0
	for i := range is {
		d := was[i] - is[i] - mean
		sum += float64(d * d)
		squares += float64(d * d * d * d)
	}
	d := difference{value: 100 * (*a.Retention - *b.Retention), items: items}
	if squares > 0 {
		d.differ = sum * sum / squares
	}
	if items > 1 {
		d.stdErr = 100 * math.Sqrt(sum/float64(items-1)/float64(items))
	}
	return d
}

func (d difference) String() string {
	return fmt.Sprintf("%+.2f points of retention (95 %% interval %+.2f to %+.2f, n=%d)", d.value, d.value-twoSided*d.stdErr, d.value+twoSided*d.stdErr, d.items)
}

// outcome fails only where the interval lies beyond a limit, and holds where it lies within.
func (d difference) outcome(most float64) string {
	switch half := twoSided * d.stdErr; {
	case d.value-half > most && d.differ > 0 && d.differ < measure.FewDiffer: // of 4 lost and none won p is 1/16
		return undecided + ", few answers differ"
	case d.value-half > most:
		return fails
	case d.value+half <= most:
		return holds
	case d.value == most:
		return undecided
	default:
		items := math.Ceil(float64(d.items) * math.Pow(half/(d.value-most), 2))
		if items > 1e7 {
			return undecided
		}
		return fmt.Sprintf("%s, about %.0f items would decide", undecided, items)
	}
}

// accept writes the new certificate over the old one.
func accept(paths []string) error {
	raw, err := input.Read(paths[1], 256<<20)
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	err = replace.With(paths[0], func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%s: %v", paths[0], err)
	}
	return nil
}

// isAbsent reports that there is no file of this name.
func isAbsent(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
