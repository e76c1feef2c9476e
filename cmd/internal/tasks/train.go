package tasks

import (
	"context"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// How networks are trained: Adam, with decay of weights and a rate that falls along a
// cosine.
const (
	batchSize = 32
	firstKept = .9   // of the mean slope
	otherKept = .999 // of the mean squared slope
	decay     = 1e-3 // of weights, by the rate
	leastRate = .01  // of the first step's, at the end
	told      = 250  // steps between two messages
)

// Fit trains a network of Module for as many steps, the example's own number where 0: it
// makes the divergence of its task from the best answers least. The same steps give the same
// weights, on any number of cores. Progress is told the mean divergence of each 250 steps.
func (e *Example) Fit(ctx context.Context, m *ir.Module, steps int, progress func(step int, divergence float64)) error {
	if steps == 0 {
		steps = e.steps
	}
	own, task, err := trained(m)
	if err != nil {
		return err
	}
	scale, err := e.scale(m, &task)
	if err != nil {
		return err
	}
	params := make([]param, len(m.Consts))
	for i, c := range m.Consts {
		x, err := c.Float32()
		if err != nil {
			return err
		}
		params[i] = param{slices.Clone(x), make([]float64, len(x)), make([]float64, len(x)), len(c.Type.Shape) > 1}
	}
	size, sum := task.Size(), 0.0
	for step := range steps {
		b, right := e.Batch(m, Train, step*batchSize, (step+1)*batchSize)
		p, err := interp.CompileFloat(own)
		if err != nil {
			return err
		}
		of := func(x []float32, i int) []float32 { return x[i*size : (i+1)*size] }
		g, err := interp.Gradient(ctx, p, b.X, b.N, true, func(i int, out, d []float32) {
			task.Slope(scale, b.Image(i), of(right, i), out, d)
		})
		if err != nil {
			return err
		}
		for i := range b.N {
			sum += task.Item(scale, b.Image(i), of(right, i), of(g.Output, i)) / batchSize
		}
		rate := e.rate * (leastRate + (1-leastRate)*(1+math.Cos(math.Pi*float64(step)/float64(steps)))/2)
		for i, c := range m.Consts {
			params[i].step(step+1, rate, g.Consts[c])
			c.Data = ir.FloatConst(c.Name, c.Type.Shape, params[i].x).Data
		}
		if progress != nil && (step+1)%told == 0 {
			progress(step+1, sum/told)
			sum = 0
		}
	}
	return nil
}

// param is a constant that is trained.
type param struct {
	x          []float32
	mean, size []float64
	decays     bool
}

// step moves the constant against its slope, which is the sum of a batch.
func (p *param) step(n int, rate float64, slope []float32) {
	first, other := 1-math.Pow(firstKept, float64(n)), 1-math.Pow(otherKept, float64(n))
	for i, s := range slope {
		d := float64(s) / batchSize
		p.mean[i] = firstKept*p.mean[i] + float64((1-firstKept)*d)
		p.size[i] = otherKept*p.size[i] + float64((1-otherKept)*float64(d*d))
		x := float64(p.x[i])
		if p.decays {
			x -= float64(rate * decay * x)
		}
		p.x[i] = float32(x - float64(rate*p.mean[i]/first)/(math.Sqrt(p.size[i]/other)+1e-8))
	}
}

// trained is a network in training, which shares its constants with m, and its task: what is
// drawn to the input again is values, and a yes or no is its logit, whose slope does not
// vanish where it is wrong.
func trained(m *ir.Module) (*ir.Module, measure.Task, error) {
	own := *m
	own.Tasks, own.Outputs = slices.Clone(m.Tasks), slices.Clone(m.Outputs)
	for i := range own.Tasks {
		switch t := &own.Tasks[i]; {
		case t.Name == ir.Reconstruction:
			t.Name = ir.Values
		case t.Name == ir.Multilabel && m.Outputs[i].Def.Op == ir.Sigmoid:
			own.Outputs[i] = m.Outputs[i].Def.Args[0]
		}
	}
	task, err := measure.TaskOf(&own, "", nil)
	return &own, task, err
}

// scale is that of the divergence from the best answers.
func (e *Example) scale(m *ir.Module, task *measure.Task) (*measure.Scale, error) {
	const items = 512
	b, right := e.Batch(m, Train, 0, items)
	return task.ScaleOf(b.X, right, items, make([]float64, len(m.Outputs)))
}

// Distance is the mean divergence of a network's answers from the best ones to n items of a
// set.
func (e *Example) Distance(ctx context.Context, m *ir.Module, s Set, n int) (float64, error) {
	own, task, err := trained(m)
	if err != nil {
		return 0, err
	}
	scale, err := e.scale(m, &task)
	if err != nil {
		return 0, err
	}
	p, err := interp.CompileFloat(own)
	if err != nil {
		return 0, err
	}
	b, right := e.Batch(m, s, 0, n)
	got, err := p.Results(ctx, b.X, n)
	if err != nil {
		return 0, err
	}
	return task.Diverge(scale, b.X, right, got).KL, nil
}
