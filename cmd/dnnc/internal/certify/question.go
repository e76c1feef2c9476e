package certify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/proof"
)

// group is one kind of error of one input: one that moves every element along its sizes, in all its
// directions, one that has places, or a random one at its sizes.
type group struct {
	name   string // as -errors writes it
	in     disturb.Input
	at     int // elements of an item before the input
	index  int // of the input
	kinds  []*proof.Kind
	sizes  []float64 // of the summary
	places []*proof.PlaceKind
	extent int                 // of the places
	random []disturb.Condition // by size
}

// canMove reports an input whose sizes or places of an error cannot be listed: the images of a path are of 8 bits.
func canMove(groups []group, m *ir.Module) error {
	for _, g := range groups {
		if g.random == nil && m.Inputs[g.index].Type.IsWide() {
			return diag.New(g.in.Pos, diag.Unsupported, "%s cannot be proved: the input %s has 16 bits, and sizes and places of an error are listed of inputs of 8", g.name, g.in.Name).
				WithHelp("-activations 8 gives it 8 bits; of a random error, as dropout, the probability can be bounded")
		}
	}
	return nil
}

// errorsOf is the text of the errors that are to be proved: those of -errors, or else all that move
// along their sizes and fit the first input.
func errorsOf(o driver.Options, inputs []disturb.Input) (string, error) {
	if o.ErrorsGiven {
		return o.Errors, nil
	}
	var names []string
	for _, k := range disturb.Fitting(inputs[0]) {
		if slices.Contains(proof.Names(), k.Name) {
			names = append(names, k.Name)
		}
	}
	if len(names) == 0 {
		return "", diag.New(inputs[0].Pos, diag.BadValue, "no error that moves along its sizes fits the input %s, %s", inputs[0].Name, inputs[0]).WithHelp("-errors names others")
	}
	// In the order of the table of what can be proved.
	slices.SortFunc(names, func(a, b string) int {
		return slices.Index(proof.Names(), a) - slices.Index(proof.Names(), b)
	})
	return strings.Join(names, ";"), nil
}

// groupsOf are the errors of a text, of the inputs of a network.
func groupsOf(text string, m *ir.Module) (list []group, err error) {
	inputs := dnnc.Inputs(m)
	for _, part := range strings.Split(text, ";") {
		more, isPlaces, err := placesOf(part, inputs)
		if err != nil {
			return nil, err
		}
		if !isPlaces {
			conditions, err := disturb.Parse(part, inputs)
			if err != nil {
				return nil, err
			}
			if more, err = groupsOfConditions(conditions, inputs); err != nil {
				return nil, err
			}
		}
		for _, g := range more {
			if slices.ContainsFunc(list, func(h group) bool { return h.name == g.name }) {
				return nil, diag.New(diag.Pos{}, diag.BadValue, "the error %s stands twice", g.name).WithHelp("list its sizes after one name: light=0.1,0.2")
			}
			list = append(list, g)
		}
	}
	if len(list) == 0 {
		return nil, diag.New(diag.Pos{}, diag.BadValue, "-errors %s: nothing to prove", text).
			WithHelp("what can be proved is %s at every size, %s at every place; of a random error the probability", strings.Join(proof.Names(), " "), strings.Join(proof.PlaceNames(), " "))
	}
	return list, nil
}

// groupsOfConditions are those of errors that package disturb has.
func groupsOfConditions(conditions []disturb.Condition, inputs []disturb.Input) (list []group, err error) {
	for i, c := range conditions {
		if i > 0 && conditions[i-1].SameKind(c) && c.Kind.Name != proof.Translation {
			g := &list[len(list)-1]
			g.sizes = append(g.sizes, c.Size)
			if g.random != nil {
				g.random = append(g.random, c)
			}
			continue
		}
		g := group{name: c.Name(), sizes: []float64{c.Size}}
		g.in, g.at = c.Input()
		g.index = indexOf(inputs, g.in.Name)
		switch {
		case c.Kind.Name == proof.Translation: // of a signal: t/2 of its length, a sample at least
			samples := len(disturb.Channels(g.in)[0])
			g.name, g.places, g.extent = c.String(), proof.PlacesOf(proof.Translation), max(1, int(c.Size/2*float64(samples)+.5))
		case slices.Contains(proof.Names(), c.Kind.Name):
			if g.kinds, err = proof.KindsOf(c.Kind.Name); err != nil {
				return nil, err
			}
		case c.Kind.Guided || c.Kind.Name == "light-random":
			_, err := proof.KindsOf(c.Kind.Name)
			return nil, err
		default:
			g.random = []disturb.Condition{c}
		}
		list = append(list, g)
	}
	return list, nil
}

func indexOf(inputs []disturb.Input, name string) int {
	return slices.IndexFunc(inputs, func(in disturb.Input) bool { return in.Name == name })
}

// placesOf reads "patch=3,5" of an image: an error that has places, of so many pixels.
func placesOf(part string, inputs []disturb.Input) (list []group, is bool, err error) {
	head, sizes, _ := strings.Cut(strings.TrimSpace(part), "=")
	input, name, hasInput := strings.Cut(strings.TrimSpace(head), ":")
	if !hasInput {
		input, name = inputs[0].Name, input
	}
	name, input = strings.TrimSpace(name), strings.TrimSpace(input)
	index := indexOf(inputs, input)
	kinds := proof.PlacesOf(name)
	if kinds == nil || index >= 0 && inputs[index].Holds.Kind == ir.Signal && name == proof.Translation {
		return nil, false, nil
	}
	if index < 0 {
		return nil, true, diag.New(diag.Pos{}, diag.BadValue, "%s: the network has no input %s", strings.TrimSpace(part), input)
	}
	in := inputs[index]
	if in.Holds.Kind != ir.Image {
		return nil, true, diag.New(in.Pos, diag.BadValue, "%s is an error of image inputs, and %s is %s", name, in.Name, in)
	}
	most := min(in.Shape[len(in.Shape)-1], in.Shape[len(in.Shape)-2])
	if name == proof.Translation {
		most--
	}
	at := 0
	for _, v := range inputs[:index] {
		at += ir.Shape(v.Shape).Size()
	}
	for _, word := range strings.Split(sizes, ",") {
		k, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || k < 1 || k > most {
			return nil, true, diag.New(diag.Pos{}, diag.BadValue, "%s: %q is no number of pixels from 1 to %d", name, word, most).WithHelp("write %s=%d", name, min(3, most))
		}
		g := group{name: fmt.Sprintf("%s=%d", name, k), in: in, at: at, index: index, places: kinds, extent: k}
		if index > 0 {
			g.name = in.Name + ":" + g.name
		}
		list = append(list, g)
	}
	return list, true, nil
}

// What the groups have of each sort.
func kindsOf(g *group) []*proof.Kind           { return g.kinds }
func placeKindsOf(g *group) []*proof.PlaceKind { return g.places }
func randomOf(g *group) []disturb.Condition    { return g.random }

// each calls do for each thing of one sort that the errors have, in order.
func each[T any](groups []group, of func(g *group) []T, do func(n int, g *group, x T) error) error {
	n := 0
	for i := range groups {
		for _, x := range of(&groups[i]) {
			if err := do(n, &groups[i], x); err != nil {
				return err
			}
			n++
		}
	}
	return nil
}

// count is the number of things of one sort.
func count[T any](groups []group, of func(g *group) []T) (n int) {
	for i := range groups {
		n += len(of(&groups[i]))
	}
	return n
}
