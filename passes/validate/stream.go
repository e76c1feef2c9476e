package validate

import (
	"context"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
)

// Stream compares a network of integers that runs frame by frame with the whole one, on records of
// the whole network's inputs: each integer that both compute must be equal. It returns how many
// integers of results it compared, 0 where the whole network has too few frames for one.
func Stream(ctx context.Context, whole, step *ir.Module, records [][]int8) (compared int, err error) {
	pw, err := interp.CompileInt(whole)
	if err != nil {
		return 0, err
	}
	ps, err := interp.CompileInt(step)
	if err != nil {
		return 0, err
	}
	n := len(records)
	want := pw.Tensors(n, whole.Outputs...)
	pw.Feed(want, slices.Concat(records...), n)
	if err := pw.Run(ctx, want, n, 0, len(whole.Ops)); err != nil {
		return 0, err
	}
	got := ps.Tensors(n, step.Outputs...)
	runs := make([][][]int8, n)
	for i, r := range records {
		runs[i] = Runs(whole, step, r)
	}
	for run := range runs[0] {
		var x []int8
		for i := range records {
			x = append(x, runs[i][run]...)
		}
		ps.Feed(got, x, n)
		if err := ps.Run(ctx, got, n, 0, len(step.Ops)); err != nil {
			return 0, err
		}
		for k, o := range step.Outputs {
			w, b := whole.Outputs[k], step.Stream
			for i := range n {
				x, y := part(want[pw.ID(w)], i, n), part(got[ps.ID(o)], i, n)
				c, err := sameFrames(w, o, b.Delays[k], b.Warmups[k], run, x, y)
				if err != nil {
					return 0, fmt.Errorf("run %d of input %d: %w", run, i, err)
				}
				compared += c
			}
		}
	}
	return compared, nil
}

// part is what record i of n has of x.
func part[T any](x []T, i, n int) []T { return x[i*len(x)/n : (i+1)*len(x)/n] }

// mostWindows is the windows that Windows compares.
const mostWindows = 1000

// Windows compares a network that runs frame by frame with the whole one, window after window: records
// follow each other as one signal, and each result that is of a window of frames alone must be what
// the whole network gives of these frames. It returns how many windows it compared, evenly among those
// of the signal, and how many integers of results.
func Windows(ctx context.Context, whole, step *ir.Module, records [][]int8) (windows, compared int, err error) {
	pw, err := interp.CompileInt(whole)
	if err != nil {
		return 0, 0, err
	}
	ps, err := interp.CompileInt(step)
	if err != nil {
		return 0, 0, err
	}
	t, axis, hop := whole.Inputs[0].Type, step.Inputs[0].Holds().Axis, step.Stream.Hop
	var runs [][]int8
	for _, r := range records {
		runs = append(runs, Runs(whole, step, r)...)
	}
	each := (t.Shape[axis] + hop - 1) / hop // runs of a window
	want, got := pw.Tensors(1, whole.Outputs...), ps.Tensors(1, step.Outputs...)
	apart := 1 + (len(runs)-each)/mostWindows
	for run, x := range runs {
		ps.Feed(got, x, 1)
		if err := ps.Run(ctx, got, 1, 0, len(step.Ops)); err != nil {
			return 0, 0, err
		}
		for k, o := range step.Outputs {
			first := run - step.Stream.Warmups[k]
			if step.Stream.Windows[k] == 0 || first < 0 || first%apart > 0 {
				continue
			}
			pw.Feed(want, joined(t, runs[first:first+each], axis, hop), 1)
			if err := pw.Run(ctx, want, 1, 0, len(whole.Ops)); err != nil {
				return 0, 0, err
			}
			w := want[pw.ID(whole.Outputs[k])]
			if err := differ(o, 0, w, got[ps.ID(o)]); err != nil {
				return 0, 0, fmt.Errorf("run %d, a window of %d frames: %w", run, t.Shape[axis], err)
			}
			windows, compared = windows+1, compared+len(w)
		}
	}
	return windows, compared, nil
}

// joined are the first frames of some runs, as many as a value has.
func joined(t ir.Type, runs [][]int8, axis, hop int) (x []int8) {
	s := t.Shape
	inner := t.Slots() / s[:axis+1].Size()
	for o := range s[:axis].Size() {
		for i, r := range runs {
			x = append(x, r[o*hop*inner:][:min(hop, s[axis]-i*hop)*inner]...)
		}
	}
	return x
}

// Runs are the inputs of each run of a step, of a record of the whole network's input: all of its frames, and
// zeros after them up to the first run that gives what the whole network gives.
func Runs(whole, step *ir.Module, record []int8) (list [][]int8) {
	t, axis, hop := whole.Inputs[0].Type, step.Inputs[0].Holds().Axis, step.Stream.Hop
	for run := range max((t.Shape[axis]+hop-1)/hop, 1+slices.Max(step.Stream.Warmups)) {
		list = append(list, frames(t, record, axis, run*hop, hop))
	}
	return list
}

// frames are some frames of a value along an axis, of its elements in logical order: after the last one,
// zeros.
func frames(t ir.Type, x []int8, axis, first, count int) []int8 {
	s := t.Shape
	inner := t.Slots() / s[:axis+1].Size() // slots of a frame that lie together
	first = min(first, s[axis])
	there := min(count, s[axis]-first)
	var out []int8
	for o := range s[:axis].Size() {
		out = append(out, x[(o*s[axis]+first)*inner:][:there*inner]...)
		out = append(out, make([]int8, (count-there)*inner)...)
	}
	return out
}

// sameFrames compares the result y of a run with x, which the whole network gives.
func sameFrames(whole, step *ir.Value, delay, warmup, run int, x, y []int8) (compared int, err error) {
	axis := frameAxis(whole.Type.Shape, step.Type.Shape)
	if axis < 0 { // of all frames
		if run == warmup {
			return len(x), differ(step, 0, x, y)
		}
		return 0, nil
	}
	count := step.Type.Shape[axis]
	for i := range count {
		at := run*count + i - delay
		if at < 0 || at >= whole.Type.Shape[axis] {
			continue
		}
		a, b := frames(whole.Type, x, axis, at, 1), frames(step.Type, y, axis, i, 1)
		if err := differ(step, at, a, b); err != nil {
			return 0, err
		}
		compared += len(a)
	}
	return compared, nil
}

// frameAxis is the axis along which a result of some frames is shorter; -1 of one without frames.
func frameAxis(whole, step ir.Shape) int {
	for k, d := range whole {
		if step[k] != d {
			return k
		}
	}
	return -1
}

func differ(v *ir.Value, frame int, want, have []int8) error {
	for i := range want {
		if want[i] != have[i] {
			return fmt.Errorf("frame %d of %s differs first at byte %d: %d, the whole network has %d", frame, v.Name, i, have[i], want[i])
		}
	}
	return nil
}
