// Command tasks trains the networks of testdata/tasks, writes their data, and measures what
// searches make of them.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/dnnc/dnnc/cmd/internal/tasks"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/replace"
)

func main() {
	train := flag.String("train", "", "train these examples, a list or all, and write them into the folder -to")
	steps := flag.Int("steps", 0, "of a training; 0 are the example's own")
	to := flag.String("to", "testdata/tasks", "folder of the examples")
	dataTo := flag.String("data", "", "write the data of all examples into this folder")
	document := flag.String("table", "", "measure what searches make of the examples, and write the tables into this document")
	only := flag.String("only", "", "the examples of the tables, a list; all when absent")
	seeds := flag.Int("seeds", 3, "seeds of errors in the tables; 0 are those that the record has")
	items := flag.Int("n", 1000, "new items that the tables are measured on")
	record := flag.String("record", "bin/tasks.csv", "keep the figures of the tables in this file, and go on from it")
	date := flag.String("date", "", "the day of the measurements")
	before := flag.String("before", "", "a commit whose dnnc is measured beside, or COMMIT=FILE where it is built already")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *train == "" && *dataTo == "" && *document == "" || *steps < 0 || *seeds < 0 || *items < 2 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "tasks: one of -train, -data and -table, -steps from 0, -seeds from 0 and -n from 2 on, and nothing beside flags")
		os.Exit(2)
	}
	err := run(ctx, *train, *steps, *to, *dataTo)
	if err == nil && *document != "" {
		err = measureAll(ctx, *document, *to, *only, *before, *record, *date, *seeds, *items)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tasks:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, train string, steps int, to, dataTo string) error {
	var list []*tasks.Example
	if train != "" {
		var err error
		if list, err = named(train); err != nil {
			return err
		}
	}
	for _, e := range list {
		if err := fit(ctx, e, steps, filepath.Join(to, e.Name)); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	if dataTo != "" {
		return writeData(dataTo)
	}
	return nil
}

// named are the examples of a list of names, or all.
func named(names string) (list []*tasks.Example, err error) {
	if names == "all" {
		return tasks.All, nil
	}
	for _, name := range strings.Split(names, ",") {
		e, err := tasks.Find(name)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// measureAll writes the tables of some examples.
func measureAll(ctx context.Context, document, folder, only, before, record, date string, seeds, items int) error {
	list, err := named(cmp.Or(only, "all"))
	if err != nil {
		return err
	}
	s := &study{examples: list, folder: folder, items: items, record: record, date: date}
	for i := range seeds {
		s.seeds = append(s.seeds, uint64(i+1))
	}
	var isBuilt bool
	if s.revision, s.before, isBuilt = strings.Cut(before, "="); before != "" && !isBuilt {
		dir, err := os.MkdirTemp("", "dnnc-tasks-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		s.before = filepath.Join(dir, "dnnc")
		c := exec.CommandContext(ctx, "sh", "-c", `set -e; mkdir "$1/tree"; git archive "$2" | tar -x -C "$1/tree"; cd "$1/tree"; go build -trimpath -o "$1/dnnc" ./cmd/dnnc`, "sh", dir, before)
		c.Stderr = os.Stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("dnnc of %s: %w", before, err)
		}
	}
	return s.table(ctx, document)
}

// Items of the sets that are written.
var sizes = map[string]struct {
	set tasks.Set
	n   int
}{"calibration.npz": {tasks.Calibration, 1024}, "validation.npz": {tasks.Validation, 1000}, "test.npz": {tasks.Test, 2000}}

// writeData writes the sets of each example into a folder of its name.
func writeData(folder string) error {
	for _, e := range tasks.All {
		m, err := e.Module()
		if err != nil {
			return err
		}
		own := filepath.Join(folder, e.Name)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		for name, s := range sizes {
			list, err := e.Arrays(m, s.set, s.n)
			if err != nil {
				return err
			}
			if err := replace.With(filepath.Join(own, name), func(w io.Writer) error { return weights.WriteNPZ(w, list) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// fit trains an example and writes its text and its weights.
func fit(ctx context.Context, e *tasks.Example, steps int, folder string) error {
	m, err := e.Module()
	if err != nil {
		return err
	}
	count := 0
	for _, c := range m.Consts {
		count += c.Type.Shape.Size()
	}
	fmt.Printf("%s: %s, %d weights and biases\n", e.Name, e.Doc, count)
	err = e.Fit(ctx, m, steps, func(step int, divergence float64) {
		fmt.Printf("%s: step %d, divergence %.4f\n", e.Name, step, divergence)
	})
	if err != nil {
		return err
	}
	d, err := e.Distance(ctx, m, tasks.Validation, 1000)
	if err != nil {
		return err
	}
	fmt.Printf("%s: divergence of 1000 new items %.4f\n", e.Name, d)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	path := filepath.Join(folder, e.Name)
	if err := replace.With(path+".safetensors", func(w io.Writer) error { return frontend.WriteTensors(w, m) }); err != nil {
		return err
	}
	m.Tensors = []ir.TensorsFile{{Path: e.Name + ".safetensors"}}
	return replace.With(path+".dnn", func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "# %s: %s. Trained by go run ./cmd/tasks -train %s.\n%s", e.Name, e.Doc, e.Name, m.Source())
		return err
	})
}
