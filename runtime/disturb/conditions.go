package disturb

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/decimal"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
)

// Input is an input of a network, as errors know it.
type Input struct {
	Name      string
	Holds     ir.Content // with the axis of a signal
	Shape     []int
	Low, High float32 // bounds of its reals
	Pos       diag.Pos
}

// String is what an input holds, for people.
func (in Input) String() string {
	l := layoutOf(&in)
	switch in.Holds.Kind {
	case ir.Signal:
		return fmt.Sprintf("a signal of %s of %s", counted(l.channels, "channel"), counted(l.n, "sample"))
	case ir.Features:
		return counted(l.channels, "feature")
	}
	return fmt.Sprintf("an image %v", ir.Shape(in.Shape))
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Said says what the inputs of a network hold, and which one errors disturb that name none.
func Said(inputs []Input) string {
	var list []string
	for _, in := range inputs {
		list = append(list, fmt.Sprintf("%s is %s", quote.Line(in.Name), in))
	}
	if len(list) == 1 {
		return "input " + list[0]
	}
	return fmt.Sprintf("inputs %s (disturbed by errors that name no input)", strings.Join(append(list[1:], list[0]), ", "))
}

// Default stands for the default errors of an input, All for every kind that fits it, None
// for no error.
const (
	Default = "default"
	All     = "all"
	None    = "none"
)

// defaults are what a search disturbs an input with unless it is told otherwise. A picture
// gets noise, which is what networks are compared by; the errors of a signal and of
// features are those that sensors have while nothing is broken.
var defaults = map[string]string{
	ir.Image:    "gaussian=0.05,0.1,0.15",
	ir.Signal:   "gaussian=0.02,0.05;drift=0.1,0.2;gain=0.2,0.5;dropout=0.05,0.15",
	ir.Features: "gaussian=0.02,0.05;drift=0.05,0.1;gain=0.1,0.3;dropout=0.05,0.15",
}

// Defaults are the default errors of a kind of input, as -errors writes them.
func Defaults(kind string) string { return defaults[kind] }

// fits says why a kind of error makes no sense for an input; "" where it does.
func (k *Kind) fits(in *Input) string {
	switch {
	case !slices.Contains(k.Of, in.Holds.Kind):
		return k.Name + " is an error of " + strings.Join(k.Of, ", ") + " inputs"
	case k.Several == "channel" && layoutOf(in).channels == 1, k.Several == "sample" && layoutOf(in).n == 1:
		return fmt.Sprintf("%s is an error of a signal of several %ss, and this one has one", k.Name, k.Several)
	}
	return ""
}

// Fitting lists the kinds of error that make sense for an input.
func Fitting(in Input) (list []*Kind) {
	for _, k := range kinds {
		if k.fits(&in) == "" {
			list = append(list, k)
		}
	}
	return list
}

// Condition is a kind at a size, of one input.
type Condition struct {
	Kind  *Kind
	Size  float64
	input *Input
	at    int // elements of an item before those of the input
	// isOther says that the input is another one than the first.
	isOther bool
}

// Input is the input that is disturbed, and the elements of an item before it.
func (c Condition) Input() (in Input, at int) { return *c.input, c.at }

// Name is the kind of error; of another input than the first with the input's name.
func (c Condition) Name() string {
	if c.isOther {
		return c.input.Name + ":" + c.Kind.Name
	}
	return c.Kind.Name
}

// String is the condition as -errors writes it.
func (c Condition) String() string { return c.Name() + "=" + strconv.FormatFloat(c.Size, 'g', -1, 64) }

// Text is conditions as -errors writes them; None of none.
func Text(list []Condition) string {
	var out []string
	for i, c := range list {
		size := strconv.FormatFloat(c.Size, 'g', -1, 64)
		if i > 0 && c.SameKind(list[i-1]) {
			out[len(out)-1] += "," + size
			continue
		}
		out = append(out, c.Name()+"="+size)
	}
	if len(out) == 0 {
		return None
	}
	return strings.Join(out, ";")
}

// Moving are the kinds among conditions that make of an item what another one may be, by name.
func Moving(list []Condition) (names []string) {
	for _, c := range list {
		if c.Kind.Moves && !slices.Contains(names, c.Name()) {
			names = append(names, c.Name())
		}
	}
	return names
}

// SameKind reports whether two conditions are one kind of error of one input.
func (c Condition) SameKind(other Condition) bool {
	return c.Kind == other.Kind && c.input == other.input
}

// part is one of the errors of a text, before the network is known.
type part struct {
	input string // "" of one that names no input
	word  string // Default, All, or a kind
	kind  *Kind
	sizes []float64
}

// mostSizes bounds errors and sizes of one: networks are measured at each.
const mostSizes = 1000

// parse reads a text; None is no part.
func parse(text string) (list []part, err error) {
	if text == None {
		return nil, nil
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	errors := strings.Split(text, ";")
	if len(errors) > mostSizes {
		return nil, diag.New(diag.Pos{}, diag.Limit, "%d errors; there are at most %d", len(errors), mostSizes)
	}
	for _, one := range errors {
		p := part{}
		head, sizes, given := strings.Cut(strings.TrimSpace(one), "=")
		if input, word, ok := strings.Cut(head, ":"); ok {
			p.input, head = strings.TrimSpace(input), strings.TrimSpace(word)
			if p.input == "" {
				return nil, diag.New(diag.Pos{}, diag.BadValue, "%q has no input before its colon", strings.TrimSpace(one)).WithHelp("write the name of an input before it, or no colon")
			}
		}
		p.word = strings.TrimSpace(head)
		if p.word == Default || p.word == All {
			if given {
				return nil, diag.New(diag.Pos{}, diag.BadValue, "%s has no sizes: it is several errors, each at its own", p.word)
			}
			list = append(list, p)
			continue
		}
		i := slices.Index(names, p.word)
		if i < 0 {
			d := diag.New(diag.Pos{}, diag.BadValue, "no kind of error %q", p.word).WithSuggestion(p.word, append(slices.Clone(names), Default, All))
			if d.Help == "" {
				d.WithHelp("the kinds are %s", strings.Join(names, " "))
			}
			return nil, d
		}
		p.kind, p.sizes = kinds[i], kinds[i].Sizes
		if given {
			p.sizes = nil
			words := strings.Split(sizes, ",")
			if len(words) > mostSizes {
				return nil, diag.New(diag.Pos{}, diag.Limit, "%s: %d sizes; an error has at most %d", p.word, len(words), mostSizes)
			}
			for _, s := range words {
				t, err := decimal.Float(strings.TrimSpace(s), 64)
				if err != nil || !(t >= 0 && t <= 1) {
					return nil, diag.New(diag.Pos{}, diag.BadValue, "%s: the size %q is no number from 0 to 1", p.word, s)
				}
				if slices.Contains(p.sizes, t) {
					return nil, diag.New(diag.Pos{}, diag.BadValue, "%s: the size %g stands twice", p.word, t).WithHelp("a size counts once: list each one once")
				}
				p.sizes = append(p.sizes, t)
			}
		}
		list = append(list, p)
	}
	return list, nil
}

// Check reports what is wrong with a text whatever the network.
func Check(text string) error {
	list, err := parse(text)
	if err != nil {
		return err
	}
	for i, p := range list {
		for _, q := range list[:i] {
			if p.input == q.input && p.word == q.word {
				return twice(p.word)
			}
		}
	}
	return nil
}

// CheckKind reports what is wrong with one kind of error, which may name its input.
func CheckKind(text string) error {
	list, err := parse(text)
	if err == nil && (len(list) != 1 || list[0].kind == nil) {
		err = diag.New(diag.Pos{}, diag.BadValue, "%s is no kind of error", text).WithHelp("dnnc help errors lists them")
	}
	return err
}

func twice(name string) error {
	return diag.New(diag.Pos{}, diag.BadValue, "the error %s stands twice", name).WithHelp("list its sizes after one name: %s=0.1,0.2", name)
}

// Parse reads "kind=size,size;input:kind": kinds at sizes, at their default sizes where
// none are given, each of the input that it names or else of the first. Default is the
// default errors of the input, All every kind that fits it, at its default sizes; None is
// no error. A kind that makes no sense for its input is a diagnostic.
func Parse(text string, inputs []Input) (out []Condition, err error) {
	list, err := parse(text)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		c, err := bind(p, inputs)
		if err != nil {
			return nil, err
		}
		parts := []part{p}
		switch p.word {
		case Default:
			if parts, err = parse(Defaults(c.input.Holds.Kind)); err != nil {
				return nil, err
			}
		case All:
			parts = nil
			for _, k := range Fitting(*c.input) {
				parts = append(parts, part{kind: k, sizes: k.Sizes})
			}
		}
		for _, q := range parts {
			c.Kind = q.kind
			if why := q.kind.fits(c.input); why != "" {
				return nil, unfit(c, inputs, why)
			}
			if slices.ContainsFunc(out, c.SameKind) {
				return nil, twice(c.Name())
			}
			for _, c.Size = range q.sizes {
				out = append(out, c)
			}
		}
	}
	return out, nil
}

// bind is the condition of the input that a part names, or else of the first.
func bind(p part, inputs []Input) (Condition, error) {
	c := Condition{}
	names := make([]string, len(inputs))
	for i := range inputs {
		in := &inputs[i]
		if names[i] = in.Name; p.input != "" && p.input != in.Name {
			c.at += sizeOf(in.Shape)
			continue
		}
		c.input, c.isOther = in, i > 0
		if width := in.High - in.Low; !(width > 0) || math.IsInf(float64(width), 0) {
			return c, diag.New(in.Pos, diag.BadValue, "the input %s is in [%v,%v], which has no width that an error could be a share of", in.Name, in.Low, in.High).
				WithHelp("declare the range that its reals take")
		}
		return c, nil
	}
	return c, diag.New(diag.Pos{}, diag.BadValue, "%s:%s: the network has no input %s", p.input, p.word, p.input).WithSuggestion(p.input, names).
		WithNote("its inputs are %s", strings.Join(names, " "))
}

// unfit is the diagnostic of an error that makes no sense for its input: it lists those
// that do, and another input for which this one does.
func unfit(c Condition, inputs []Input, why string) error {
	var names []string
	for _, k := range Fitting(*c.input) {
		names = append(names, k.Name)
	}
	d := diag.New(c.input.Pos, diag.BadValue, "no error of the input %s, which is %s: %s", c.input.Name, *c.input, why).
		WithHelp("the errors that fit it are %s; the kind of an input is declared after its type, or by -kind of a model", strings.Join(names, " "))
	for i := range inputs {
		if &inputs[i] != c.input && c.Kind.fits(&inputs[i]) == "" {
			return d.WithNote("it fits the input %s: %s:%s", inputs[i].Name, inputs[i].Name, c.Kind.Name)
		}
	}
	return d
}
