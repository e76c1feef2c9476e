package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// floatsAttr is an attribute of floats as a constant vector.
func floatsAttr(n *pb.Node, name string) []float64 {
	a := attr(n, name)
	if a == nil {
		return nil
	}
	out := make([]float64, len(a.Floats))
	for i, v := range a.Floats {
		out[i] = float64(v)
	}
	return out
}

func vector(x []float64) *operand {
	return &operand{c: newTensor(float32Type, []int{len(x)}, x), shape: []int{len(x)}}
}

// mlScaler is (x-offset)*scale, of one number a feature or one for all.
func mlScaler(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	c, x := im.compose(n), in[0]
	for i, name := range []string{"offset", "scale"} {
		k := floatsAttr(n, name)
		if len(k) == 0 {
			continue
		}
		if len(x.shape) == 0 || len(k) != 1 && len(k) != x.shape[len(x.shape)-1] {
			return nil, fmt.Errorf("has the %s %v of features of shape %v", name, k, x.shape)
		}
		x = c.binary([]string{"Sub", "Mul"}[i], name, x, vector(k))
		if c.err != nil {
			return nil, c.err
		}
	}
	return c.result(x)
}

// mlNormalizer divides rows by their greatest element, or by a norm.
func mlNormalizer(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	s := in[0].shape
	if len(s) == 0 {
		return nil, errors.New("of one number")
	}
	c := im.compose(n)
	rows := c.reshape("rows", in[0], []int{build.Product(s[:len(s)-1]), s[len(s)-1]})
	switch norm := textAttr(n, "norm", "MAX"); norm {
	case "MAX":
		most := c.reduce("ReduceMax", "max", rows, []int{1})
		rows = c.binary("Mul", "", rows, c.function(ir.Reciprocal, "factor", most))
	case "L1":
		rows = c.unit(rows, 1)
	case "L2":
		rows = c.unit(rows, 2)
	default:
		return nil, fmt.Errorf("by the norm %q", norm)
	}
	return c.result(c.reshape("own", rows, s))
}

// mlImputer imports the replacement of what is missing (NaN), which inputs of integers never hold.
func mlImputer(_ *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if a := attr(n, "replaced_value_float"); a == nil || !math.IsNaN(float64(a.GetF())) {
		return nil, errors.New("replaces numbers, not what is missing (NaN): replace them in the program, and export the pipeline without it")
	}
	return []*operand{in[0]}, nil
}

func mlBinarizer(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	c := im.compose(n)
	return c.result(c.function(ir.Step, "", in[0], ir.AttrAlpha.Is(build.ShortFloat(floatAttr(n, "threshold", 0)))))
}

// linearML is the layer of the coefficients [outputs, features] and intercepts.
func (c *composer) linearML(n *pb.Node, x *operand, outputs int) *operand {
	w, b := floatsAttr(n, "coefficients"), floatsAttr(n, "intercepts")
	if len(x.shape) == 1 {
		x = c.reshape("row", x, []int{1, x.shape[0]})
	}
	if c.err != nil {
		return nil
	}
	if len(x.shape) != 2 || outputs < 1 || len(w) != outputs*x.shape[1] || len(b) != 0 && len(b) != outputs {
		c.err = fmt.Errorf("has %d coefficients and %d intercepts for %d results of features of shape %v", len(w), len(b), outputs, x.shape)
		return nil
	}
	args := []*operand{x, {c: newTensor(float32Type, []int{outputs, x.shape[1]}, w), shape: []int{outputs, x.shape[1]}}}
	if len(b) > 0 {
		args = append(args, vector(b))
	}
	return c.do("Gemm", "scores", args, setting{"transB", 1})
}

// transformed is what post_transform makes of scores.
func (c *composer) transformed(n *pb.Node, x *operand) *operand {
	if c.err != nil {
		return nil
	}
	switch how := textAttr(n, "post_transform", "NONE"); how {
	case "NONE":
		return x
	case "SOFTMAX":
		return c.do("Softmax", "", []*operand{x}, setting{"axis", 1})
	case "LOGISTIC":
		return c.do("Sigmoid", "", []*operand{x})
	default:
		c.err = fmt.Errorf("with the post_transform %q", how)
		return nil
	}
}

func mlRegressor(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	c := im.compose(n)
	return c.result(c.transformed(n, c.linearML(n, in[0], intAttr(n, "targets", 1))))
}

// mlClassifier gives the label of the greatest score, and what post_transform makes of the
// scores.
func mlClassifier(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	labels := intsAttr(n, "classlabels_ints")
	classes, texts := len(labels), 0
	if a := attr(n, "classlabels_strings"); a != nil {
		texts = len(a.Strings)
		classes = max(classes, texts)
	}
	c := im.compose(n)
	scores := c.linearML(n, in[0], classes)
	outs := []*operand{nil, c.transformed(n, scores)}
	if c.err != nil || !im.isRead(n.Output[0]) {
		return outs, c.err
	}
	if texts > 0 {
		return nil, errors.New("gives labels that are texts: -outputs names the results that are wanted, without them")
	}
	at := c.do("ArgMax", "label", []*operand{scores}, setting{"axis", 1}, setting{"keepdims", 0})
	if c.err != nil {
		return nil, c.err
	}
	var err error
	outs[0], err = im.labelled(n, at, labels)
	return outs, err
}

// isRead reports whether a node or a result of the model needs a value.
func (im *importer) isRead(name string) bool {
	return name != "" && (im.results[name] || len(im.users[name]) > 0)
}

// labelled is the label at computed places.
func (im *importer) labelled(n *pb.Node, at *operand, labels []int) (*operand, error) {
	isPlace := true
	x := make([]float64, len(labels))
	for i, l := range labels {
		isPlace = isPlace && l == i
		x[i] = float64(l)
	}
	if isPlace {
		return at, nil
	}
	places := &operand{v: at.v, shape: at.shape}
	table := &operand{c: newTensor(float32Type, []int{len(x)}, x), shape: []int{len(x)}}
	outs, err := gather(im, im.compose(n).node("Gather", "labels", 1, nil), []*operand{table, places})
	if err != nil {
		return nil, err
	}
	return &operand{v: outs[0].v, shape: outs[0].shape, q: &integers{int64Type, 1, 0, slices.Min(x), slices.Max(x)}}, nil
}

// mlFeatures picks elements of the last axis: of constants by computed places, else by
// constant ones.
func mlFeatures(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	x, at := in[0], in[1]
	if at.c != nil {
		if x.c != nil || x.q != nil || len(x.shape) == 0 {
			return nil, errors.New("of constants or integers by constant places")
		}
		places, err := at.c.smallInts()
		if err != nil || len(places) == 0 {
			return nil, errors.New("has no short list of places")
		}
		c := im.compose(n)
		y := c.pick("", x, len(x.shape)-1, places)
		if len(x.shape) == 1 {
			y = c.reshape("own", y, []int{1, len(places)})
		}
		return c.result(y)
	}
	if x.c == nil || x.c.size() != x.shape[len(x.shape)-1] {
		return nil, errors.New("of computed values by computed places: only a constant list can be imported")
	}
	labels, err := x.c.smallInts()
	if err != nil || x.c.typ.isFloat() || len(labels) == 0 {
		return nil, errors.New("of a list that is no short one of integers")
	}
	out, err := im.labelled(n, at, labels)
	if err != nil {
		return nil, err
	}
	out.shape = []int{1, build.Product(out.shape)}
	return []*operand{out}, nil
}

// mlZipMap gives the probabilities themselves for a map of labels to them.
func mlZipMap(_ *importer, _ *pb.Node, in []*operand) ([]*operand, error) { return in[:1], nil }
