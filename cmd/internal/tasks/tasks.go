// Package tasks has small networks, one or two of each task, which are trained on data that
// it makes: what tests and tables of searches need of tasks beside the classes of pictures.
// The networks with their trained weights are in testdata/tasks; the command cmd/tasks
// writes them, and their data.
package tasks

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
)

// Example is a network, its data, and how it is trained.
type Example struct {
	Name, Doc string
	Errors    string // what it should withstand, as -errors has it
	// Unusual is errors of signals that it was not trained for, under which searches that saw
	// them are compared with searches that did not; "" of none.
	Unusual string

	layers func(b *builder) []output
	item   func(rng *rand.Rand, s Set) item
	steps  int     // of training
	rate   float64 // of the first step
}

// All lists the examples.
var All = []*Example{&wear, &mask, &detector, &pump, &bearing, &keyword, &spoken, &beat, &shapes, &glyph, &machine}

// Names lists their names.
func Names() (list []string) {
	for _, e := range All {
		list = append(list, e.Name)
	}
	return list
}

// Find is the example of a name.
func Find(name string) (*Example, error) {
	if i := slices.Index(Names(), name); i >= 0 {
		return All[i], nil
	}
	return nil, fmt.Errorf("no example %q: the examples are %v", name, Names())
}

// output is a result of a network.
type output struct {
	value *ir.Value
	task  ir.Task
}

// item is one of a data set.
type item struct {
	x      []float32   // all inputs, one after the other
	right  []float32   // the best answer, all results, a yes or no as a logit: what training draws the network to
	labels [][]float32 // of each result, as its task has them
}

// Set is a part of an example's data. No two sets share an item.
type Set string

// The sets.
const (
	Train       Set = "train"
	Calibration Set = "calibration"
	Validation  Set = "validation" // measured at the end of a training
	Test        Set = "test"
)

// made is item i of a set, the same at any time.
func (e *Example) made(s Set, i int) item {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%s", e.Name, s)
	return e.item(rand.New(rand.NewPCG(h.Sum64(), uint64(i))), s)
}

// Module is the network with random weights, the same at any time.
func (e *Example) Module() (*ir.Module, error) {
	h := fnv.New64a()
	h.Write([]byte(e.Name))
	b := &builder{Chain: build.Chain{Builder: build.New(e.Name)}, rng: rand.New(rand.NewPCG(h.Sum64(), 1))}
	list := e.layers(b)
	if b.Err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, b.Err)
	}
	values := make([]*ir.Value, len(list))
	for i, o := range list {
		values[i] = o.value
	}
	m := b.Finish(values)
	for _, o := range list {
		m.Tasks = append(m.Tasks, o.task)
	}
	return m, nil
}

// Batch is items from up to but not including to of a set, with their labels, and the best
// answers to them.
func (e *Example) Batch(m *ir.Module, s Set, from, to int) (b data.Batch, right []float32) {
	b = data.Batch{N: to - from, Shape: m.Inputs[0].Type.Shape}
	for _, v := range m.Inputs[1:] {
		b.Others += v.Type.Shape.Size()
	}
	for i := from; i < to; i++ {
		it := e.made(s, i)
		b.X, right = append(b.X, it.x...), append(right, it.right...)
		for k, l := range it.labels {
			if i == from {
				b.Targets = append(b.Targets, data.Target{Name: m.ResultName(k), Shape: labelShape(m, k, len(l))})
			}
			b.Targets[k].X = append(b.Targets[k].X, l...)
		}
	}
	return b, right
}

// labelShape is the shape of the labels of a result: as the result where there are as many,
// and without the axis of classes.
func labelShape(m *ir.Module, k, size int) []int {
	shape, t := m.Outputs[k].Type.Shape, m.TaskOf(k)
	switch {
	case t.Name == ir.Classes && t.Axis != ir.NoAxis:
		return slices.Delete(slices.Clone(shape), t.Axis, t.Axis+1)
	case size == shape.Size() && size > 1:
		return shape
	}
	return nil
}

// Arrays are n items of a set as an npz has them: an array for each input and each
// result's labels, by their names.
func (e *Example) Arrays(m *ir.Module, s Set, n int) ([]weights.Tensor, error) {
	b, _ := e.Batch(m, s, 0, n)
	var list []weights.Tensor
	add := func(name string, shape []int, x []float32) error {
		raw, err := ir.FloatConst(name, append(ir.Shape{n}, shape...), x).Load()
		list = append(list, weights.Tensor{Name: name, DType: weights.F32, Shape: append([]int{n}, shape...), Data: raw})
		return err
	}
	at := 0
	for _, v := range m.Inputs {
		size := v.Type.Shape.Size()
		var x []float32
		for i := range n {
			x = append(x, b.Image(i)[at:at+size]...)
		}
		if err := add(v.Name, v.Type.Shape, x); err != nil {
			return nil, err
		}
		at += size
	}
	for _, t := range b.Targets {
		name := t.Name
		if len(b.Targets) == 1 {
			name = "labels"
		}
		if err := add(name, t.Shape, t.X); err != nil {
			return nil, err
		}
	}
	return list, nil
}
