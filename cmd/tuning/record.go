package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/dnnc/dnnc/runtime/measure"
)

// cell is one network, size and seed, measured before and after tuning.
type cell struct {
	network             string
	bits                float64
	seed                uint64
	effort              string
	images              int // that it was measured on
	before, after, gain measure.Estimate
	klBefore, klAfter   float64 // the mean divergence over all conditions
	klFall              measure.Estimate
	declined            string // why it was not tuned; "" where it was
	steps, fit          int    // steps, and images that they were of
	macs                float64
	date                string
}

func (c *cell) String() string {
	text := fmt.Sprintf("%v -> %v, gain %+.4f ± %.4f, divergence %.5f -> %.5f (%.2f, falls by %.2g ± %.2g), %d steps on %d images, %.3g multiply-adds", plusMinus(c.before), plusMinus(c.after), c.gain.Value, c.gain.StdErr,
		c.klBefore, c.klAfter, c.klAfter/c.klBefore, c.klFall.Value, c.klFall.StdErr, c.steps, c.fit, c.macs)
	if c.declined != "" {
		text += "; declined: " + c.declined
	}
	return text
}

func plusMinus(e measure.Estimate) string { return fmt.Sprintf("%.4f ± %.4f", e.Value, e.StdErr) }

// columns are a record's, each with the field that it holds.
var columns = []struct {
	name  string
	field func(c *cell) any
}{
	{"network", func(c *cell) any { return &c.network }},
	{"bits", func(c *cell) any { return &c.bits }},
	{"seed", func(c *cell) any { return &c.seed }},
	{"effort", func(c *cell) any { return &c.effort }},
	{"images", func(c *cell) any { return &c.images }},
	{"before", func(c *cell) any { return &c.before.Value }},
	{"before_stderr", func(c *cell) any { return &c.before.StdErr }},
	{"after", func(c *cell) any { return &c.after.Value }},
	{"after_stderr", func(c *cell) any { return &c.after.StdErr }},
	{"gain", func(c *cell) any { return &c.gain.Value }},
	{"gain_stderr", func(c *cell) any { return &c.gain.StdErr }},
	{"divergence_before", func(c *cell) any { return &c.klBefore }},
	{"divergence_after", func(c *cell) any { return &c.klAfter }},
	{"fall", func(c *cell) any { return &c.klFall.Value }},
	{"fall_stderr", func(c *cell) any { return &c.klFall.StdErr }},
	{"steps", func(c *cell) any { return &c.steps }},
	{"fit", func(c *cell) any { return &c.fit }},
	{"macs", func(c *cell) any { return &c.macs }},
	{"date", func(c *cell) any { return &c.date }},
	{"declined", func(c *cell) any { return &c.declined }},
}

func header() (names []string) {
	for _, c := range columns {
		names = append(names, c.name)
	}
	return names
}

func (c *cell) row() (fields []string) {
	for _, col := range columns {
		switch v := col.field(c).(type) {
		case *string:
			fields = append(fields, *v)
		case *int:
			fields = append(fields, strconv.Itoa(*v))
		case *uint64:
			fields = append(fields, strconv.FormatUint(*v, 10))
		case *float64:
			fields = append(fields, strconv.FormatFloat(*v, 'g', -1, 64))
		}
	}
	return fields
}

// parse reads a row.
func (c *cell) parse(fields []string) (err error) {
	for i, col := range columns {
		switch v := col.field(c).(type) {
		case *string:
			*v = fields[i]
		case *int:
			*v, err = strconv.Atoi(fields[i])
		case *uint64:
			*v, err = strconv.ParseUint(fields[i], 10, 64)
		case *float64:
			*v, err = strconv.ParseFloat(fields[i], 64)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", col.name, err)
		}
	}
	return nil
}

// read is the cells of a record, none of one that is not there.
func read(path string) (cells []cell, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = len(columns)
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i, row := range rows {
		if i == 0 {
			continue
		}
		var c cell
		if err := c.parse(row); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		cells = append(cells, c)
	}
	return cells, nil
}

// add appends a cell to a record, in one write, so that an interruption leaves no part of it.
func add(path string, c cell) error {
	_, err := os.Stat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	if isNew {
		if err := w.Write(header()); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := w.Write(c.row()); err != nil {
		return errors.Join(err, f.Close())
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}
