package onnx

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// in gives the last node a domain.
func (m *model) in(domain string) *model {
	m.Graph.Node[len(m.Graph.Node)-1].Domain = &domain
	return m
}

// function adds one of the model: the nodes of another model's graph.
func (m *model) function(domain, name string, in, out []string, body *model) *model {
	f := &pb.Function{Name: &name, Domain: &domain, Input: in, Output: out, Node: body.Graph.Node, OpsetImport: body.OpsetImport}
	m.Functions = append(m.Functions, f)
	return m
}

// branch is a graph of nodes for an attribute.
func branch(body *model) *pb.Graph { return body.Graph }

// TestFunctionsOfTheModel are written out where they are called: names are their own,
// attributes those of the call.
func TestFunctionsOfTheModel(t *testing.T) {
	body := newModel(17).node("Mul", "m", list("a", "b"), list("t")).node("LeakyRelu", "l", list("t"), list("r"))
	body.Graph.Node[1].Attribute = []*pb.Attribute{{Name: proto.String("alpha"), RefAttrName: proto.String("slope")}}
	m := newModel(17).input("x", 1, 2).output("y").constant("k", number(2)).
		node("Act", "first", list("x", "k"), list("t"), "slope", float32(.5)).in("own").
		node("Act", "second", list("t", "k"), list("u")).in("own").
		node("Add", "a", list("t", "u"), list("y")).function("own", "Act", list("a", "b"), list("r"), body)
	m.Functions[0].AttributeProto = []*pb.Attribute{{Name: proto.String("slope"), F: proto.Float32(.25)}}
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, []float32{12, -3}, compute(t, module, []float32{2, -2}), "4 + 8; -2 - 1")

	inner := newModel(17).node("Foo", "odd", list("a"), list("r"))
	m = newModel(17).input("x", 1, 2).output("y").node("F", "call", list("x"), list("y")).in("own").function("own", "F", list("a"), list("r"), inner)
	_, err = Parse("net", m.bytes(), Options{})
	require.ErrorContains(t, err, "operation Foo is not supported")
	assert.ErrorContains(t, err, "call/odd")
	assert.NotContains(t, err.Error(), "operation own.F", "what fails is said once")

	// Without end, and far too many.
	again := newModel(17).node("F", "f", list("a"), list("r")).in("own")
	m = newModel(17).input("x", 1, 2).output("y").node("F", "call", list("x"), list("y")).in("own").function("own", "F", list("a"), list("r"), again)
	_, err = Parse("net", m.bytes(), Options{})
	require.ErrorContains(t, err, "operation own.F is a call in a call, 16 deep")
	m = newModel(17).input("x", 1, 2).output("y").node("F0", "call", list("x"), list("y")).in("own")
	for i := range 12 {
		b := newModel(17)
		for k := range 16 {
			b.node(fmt.Sprint("F", i+1), "f", list("a"), list(fmt.Sprint("r", k))).in("own")
		}
		m.function("own", fmt.Sprint("F", i), list("a"), list("r0"), b)
	}
	m.function("own", "F12", list("a"), list("r"), newModel(17).node("Relu", "r", list("a"), list("r")))
	_, err = Parse("net", m.bytes(), Options{})
	require.ErrorContains(t, err, "is one of calls and branches of more than 131072 nodes")

	for want, c := range map[string]struct{ in, out []string }{
		"has 2 arguments and 1 results, the function of the model 1 and 1": {list("x", "x"), list("y")},
		"has 1 arguments and 2 results, the function of the model 1 and 1": {list("x"), list("y", "z")},
	} {
		m := newModel(17).input("x", 1, 2).output("y").node("F", "call", c.in, c.out).in("own").
			function("own", "F", list("a"), list("r"), newModel(17).node("Relu", "r", list("a"), list("r")))
		_, err := Parse("net", m.bytes(), Options{})
		assert.ErrorContains(t, err, want)
	}
	m = newModel(17).input("x", 1, 2).output("y").node("F", "call", list("x"), list("y")).in("own").
		function("own", "F", list("a"), list("r"), newModel(99).node("Relu", "r", list("a"), list("r")))
	_, err = Parse("net", m.bytes(), Options{})
	assert.ErrorContains(t, err, "is a function of opset 99; opsets 7 to 28 can be imported")
}

// TestBranches: the one that a constant condition chooses is written out; values of both
// graphs are seen there, and what a branch reads is not taken into another layer.
func TestBranches(t *testing.T) {
	for condition, want := range map[float64][]float32{1: {17, 20}, 0: {17, 20}} { // 7+5+5 or 7+10, 10+5+5 or 10+10
		then := newModel(17).node("Add", "a", list("p", "k"), list("t")).node("Add", "b", list("t", "k"), list("r")).output("r")
		then.Graph.Initializer = []*pb.Tensor{{Name: proto.String("k"), DataType: proto.Int32(1), Dims: []int64{1}, FloatData: []float32{5}}}
		other := newModel(17).node("Identity", "i", list("s"), list("r")).output("r")
		m := newModel(17).input("x", 1, 2).output("y").constant("is", ints(condition).as(boolType)).constant("w", floats(1, 2, 3, 4).of(2, 2)).constant("bias", floats(10, 10)).
			node("MatMul", "m", list("x", "w"), list("p")).node("Add", "s", list("p", "bias"), list("s")).
			node("If", "if", list("is"), list("z"), "then_branch", branch(then), "else_branch", branch(other)).
			node("Relu", "r", list("z"), list("y"))
		module, err := Parse("net", m.bytes(), Options{})
		require.NoError(t, err)
		assert.Equal(t, want, compute(t, module, []float32{1, 2}), "%v", condition)
	}
	// Nested ones, which hide names of the outer graph.
	innermost := newModel(17).node("Neg", "n", list("x"), list("v")).output("v")
	middle := newModel(17).node("Mul", "m", list("x", "x"), list("v")).
		node("If", "in", list("is"), list("r"), "then_branch", branch(innermost), "else_branch", branch(innermost)).node("Add", "a", list("v", "r"), list("s")).output("s")
	m := newModel(17).input("x", 1, 2).output("y").constant("is", ints(1).as(boolType)).node("Abs", "v", list("x"), list("v")).
		node("If", "out", list("is"), list("z"), "then_branch", branch(middle), "else_branch", branch(middle)).node("Add", "a", list("z", "v"), list("y"))
	module, err := Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, []float32{9, 15}, compute(t, module, []float32{3, -3}), "x*x - x + |x|")

	deep := newModel(17).node("Relu", "r", list("x"), list("v")).output("v")
	for range 6 {
		deep = newModel(17).node("If", "if", list("is"), list("v"), "then_branch", branch(deep), "else_branch", branch(deep)).output("v")
	}
	m = newModel(17).input("x", 1, 2).output("v").constant("is", ints(1).as(boolType))
	m.Graph.Node = deep.Graph.Node
	_, err = Parse("net", m.bytes(), Options{})
	assert.ErrorContains(t, err, "has no then_branch, or one nested deeper than 4 graphs")
	m = newModel(17).input("x", 1, 2).output("y").constant("is", ints(1, 0).as(boolType)).node("If", "if", list("is"), list("y"), "then_branch", branch(innermost), "else_branch", branch(innermost))
	_, err = Parse("net", m.bytes(), Options{})
	assert.ErrorContains(t, err, "has a condition of shape [2]")
	m = newModel(17).input("x", 1, 2).output("y").constant("is", ints(1).as(boolType)).node("If", "if", list("is"), list("y", "z"), "then_branch", branch(innermost), "else_branch", branch(innermost))
	_, err = Parse("net", m.bytes(), Options{})
	assert.ErrorContains(t, err, "has 2 results, its then_branch 1")
}

// TestOutputsAreCut: a model returns the values that are asked for; what they do not need
// is not imported, and said.
func TestOutputsAreCut(t *testing.T) {
	build := func() *model {
		return newModel(17).input("x", 1, 2).input("other", 1, 3).output("label", "y").
			node("Relu", "a", list("x"), list("a")).node("Neg", "b", list("a"), list("y")).node("Foo", "c", list("y", "other"), list("label"))
	}
	_, err := Parse("net", build().bytes(), Options{})
	require.ErrorContains(t, err, "operation Foo is not supported")
	for _, c := range []struct {
		outputs []string
		want    []float32
		left    string
	}{
		{list("y"), []float32{-1, 0}, "result label; input other; 1 of 3 nodes"},
		{list("a"), []float32{1, 0}, "results label, y; input other; 2 of 3 nodes"},
		{list("a", "y"), []float32{1, 0}, "result label; input other; 1 of 3 nodes"},
		{list("x"), []float32{1, -2}, "results label, y; input other; 3 of 3 nodes"},
	} {
		left := ""
		module, err := Parse("net", build().bytes(), Options{Outputs: c.outputs, LeftOut: func(what string) { left += what }})
		require.NoError(t, err)
		assert.Len(t, module.Outputs, len(c.outputs))
		assert.Equal(t, c.want, compute(t, module, []float32{1, -2}), "%v", c.outputs)
		assert.Equal(t, c.left, left)
	}
	for want, outputs := range map[string][]string{
		"-outputs labell: the model has no such value": list("labell"), `did you mean "label"`: list("labell"),
		"its results are label y": list("zzzzzzzz"), "-outputs names y twice": list("y", "y"),
	} {
		_, err := Parse("net", build().bytes(), Options{Outputs: outputs})
		assert.ErrorContains(t, err, want)
	}
}

// TestModelsOfScikitLearn: labels that are texts are left out by name; others are numbers.
func TestModelsOfScikitLearn(t *testing.T) {
	build := func(classes string, labels any, norm string) *model {
		m := newModel(17).input("x", 1, 2).output("label", "p").
			node("Scaler", "s", list("x"), list("s"), "offset", []float32{1, 0}, "scale", []float32{2, 1}).in("ai.onnx.ml").
			node("LinearClassifier", "c", list("s"), list("label", "scores"), "coefficients", []float32{1, 0, 0, 1}, "intercepts", []float32{0, 1}, classes, labels).in("ai.onnx.ml").
			node("Normalizer", "n", list("scores"), list("p"), "norm", norm).in("ai.onnx.ml")
		return m
	}
	module, err := Parse("net", build("classlabels_ints", []int64{7, 9}, "L1").bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, []float32{7, .75, .25}, append(compute(t, module, []float32{2.5, 0}), resultOf(t, module, 1, []float32{2.5, 0})...), "scores 3 and 1")
	texts := build("classlabels_strings", list("yes", "no"), "MAX")
	_, err = Parse("net", texts.bytes(), Options{})
	require.ErrorContains(t, err, "operation ai.onnx.ml.LinearClassifier gives labels that are texts: -outputs names the results that are wanted, without them")
	module, err = Parse("net", texts.bytes(), Options{Outputs: list("p")})
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float32{1, 1. / 3}, compute(t, module, []float32{2.5, 0}), 1e-6)
	for want, m := range map[string]*model{
		`LinearClassifier with the post_transform "PROBIT"`: newModel(17).input("x", 1, 1).output("p").
			node("LinearClassifier", "c", list("x"), list("l", "p"), "coefficients", []float32{1, 2}, "classlabels_ints", []int64{0, 1}, "post_transform", "PROBIT").in("ai.onnx.ml"),
		"LinearClassifier has 3 coefficients and 0 intercepts for 2 results of features of shape [1 1]": newModel(17).input("x", 1, 1).output("p").
			node("LinearClassifier", "c", list("x"), list("l", "p"), "coefficients", []float32{1, 2, 3}, "classlabels_ints", []int64{0, 1}).in("ai.onnx.ml"),
		"LinearRegressor has 0 coefficients": newModel(17).input("x", 1, 1).output("p").node("LinearRegressor", "c", list("x"), list("p"), "targets", 1<<40).in("ai.onnx.ml"),
		`Normalizer by the norm "L7"`:        newModel(17).input("x", 1, 1).output("p").node("Normalizer", "c", list("x"), list("p"), "norm", "L7").in("ai.onnx.ml"),
		"Scaler has the scale [1 2 3]":       newModel(17).input("x", 1, 1).output("p").node("Scaler", "c", list("x"), list("p"), "scale", []float32{1, 2, 3}).in("ai.onnx.ml"),
		"Scaler is not supported":            newModel(17).input("x", 1, 1).output("p").node("Scaler", "c", list("x"), list("p")),
		"com.microsoft.RotaryEmbedding":      newModel(17).input("x", 1, 1).output("p").node("RotaryEmbedding", "c", list("x"), list("p")).in("com.microsoft"),
	} {
		_, err := Parse("net", m.bytes(), Options{})
		assert.ErrorContains(t, err, "operation "+map[bool]string{true: "", false: "ai.onnx.ml."}[want[:3] == "com" || want == "Scaler is not supported"]+want)
	}
	// A model of this domain alone needs no opset of ONNX.
	m := newModel(17).input("x", 1, 2).output("p").node("Binarizer", "b", list("x"), list("p"), "threshold", float32(.5)).in("ai.onnx.ml")
	m.OpsetImport = []*pb.OperatorSet{{Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(1)}}
	module, err = Parse("net", m.bytes(), Options{})
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 1}, compute(t, module, []float32{.5, .75}))
	// Integers are never missing, so an imputer changes nothing, and no number is NaN.
	missing := func(value float32) []byte {
		return newModel(17).input("x", 1, 2).output("p").node("Imputer", "i", list("x"), list("i"), "imputed_value_floats", []float32{5, 6}, "replaced_value_float", value).in("ai.onnx.ml").
			node("IsNaN", "n", list("i"), list("n")).node("Where", "w", list("n", "zero", "i"), list("p")).floats("zero", nil, 0).bytes()
	}
	module, err = Parse("net", missing(float32(math.NaN())), Options{})
	require.NoError(t, err)
	assert.Equal(t, []float32{.5, .75}, compute(t, module, []float32{.5, .75}))
	_, err = Parse("net", missing(0), Options{})
	assert.ErrorContains(t, err, "Imputer replaces numbers, not what is missing (NaN)")
	// A number that is not 0 is true.
	truth := newModel(17).input("x", 1, 3).output("p").node("Cast", "c", list("x"), list("c"), "to", 9).node("Not", "n", list("c"), list("n")).node("Cast", "p", list("n"), list("p"), "to", 1)
	module, err = Parse("net", truth.bytes(), Options{Ranges: map[string]ir.Range{"x": {Lo: -1, Hi: 1}}})
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 1, 0}, compute(t, module, []float32{-.5, 0, .75}))
}

// resultOf computes another result than the first.
func resultOf(t *testing.T, m *ir.Module, k int, x []float32) []float32 {
	t.Helper()
	own := *m
	own.Outputs = []*ir.Value{m.Outputs[k]}
	return compute(t, &own, x)
}
