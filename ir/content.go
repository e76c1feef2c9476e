package ir

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Content is what an input holds, which decides the errors that it may be disturbed by.
type Content struct {
	Kind string // one of ContentKinds; "" where the text does not say it
	// Axis is the axis of a signal along which time goes, the others are its channels;
	// NoAxis where the text does not say it, and of other kinds.
	Axis int
}

// The kinds of input.
const (
	Image    = "image"    // [C,H,W], or [H,W] of one plane
	Signal   = "signal"   // samples in the order of time, of one channel or of several
	Features = "features" // numbers without an order
)

// ContentKinds lists the kinds of input as the language and -kind name them.
var ContentKinds = []string{Image, Signal, Features}

// contentKeys are the attributes of an input.
var contentKeys = []string{"kind", "axis"}

// Set sets an attribute of the content: "kind" or "axis". An error says what is wrong, and
// words are what would be right there; nil of numbers.
func (c *Content) Set(key, value string) (words []string, err error) {
	switch key {
	case "kind":
		if !slices.Contains(ContentKinds, value) {
			return ContentKinds, fmt.Errorf("no kind of input %q: the kinds are %s", value, strings.Join(ContentKinds, " "))
		}
		c.Kind = value
	case "axis":
		if c.Axis, err = strconv.Atoi(value); err != nil || c.Axis < 0 {
			return nil, fmt.Errorf("the axis %s is no whole number from 0 on", value)
		}
	default:
		return contentKeys, fmt.Errorf("an input has no %q: it has %s", key, strings.Join(contentKeys, ", "))
	}
	return nil, nil
}

// ParseContent reads a content as an input has it in the language: "signal axis: 0".
func ParseContent(text string) (c Content, words []string, err error) {
	c.Axis = NoAxis
	if words, err = setWords(text, "kind", c.Set); err == nil && c.Kind == "" {
		words, err = ContentKinds, fmt.Errorf("%q names no kind of input: the kinds are %s", text, strings.Join(ContentKinds, " "))
	}
	return c, words, err
}

// String is the content as the language writes it; "" where the text does not say it.
func (c Content) String() string {
	if c.Kind == "" || c.Axis == NoAxis {
		return c.Kind
	}
	return fmt.Sprintf("%s axis: %d", c.Kind, c.Axis)
}

// Check reports what an input of a shape cannot hold; nil of a content that is not said.
func (c Content) Check(s Shape) error {
	switch {
	case c.Kind == "":
		return nil
	case c.Kind == Image && len(s) != 2 && len(s) != 3:
		return fmt.Errorf("an image is [C,H,W], or [H,W] of one plane; this input is %s", s)
	case c.Kind != Signal && c.Axis != NoAxis:
		return fmt.Errorf("an axis is of a signal, along which time goes; this input holds %s", c.Kind)
	case c.Kind == Signal && (len(s) == 0 || c.Axis >= len(s)):
		return fmt.Errorf("axis %d of an input of %s", c.Axis, s)
	}
	return nil
}

// ContentOf is what an input of a shape holds: as said, and what is not said by the shape.
// Of one axis it holds features, of two a signal, of three an image; or a signal where
// only one of an image's sides is longer than 1, as one-dimensional convolutions have it,
// and features where none is. Time goes along the last axis that is longer than 1.
func ContentOf(said Content, s Shape) Content {
	c := said
	if c.Kind == "" {
		c = Content{Features, NoAxis}
		switch {
		case len(s) == 2, len(s) == 3 && (s[1] == 1) != (s[2] == 1):
			c.Kind = Signal
		case len(s) == 3 && s[1] > 1:
			c.Kind = Image
		}
	}
	if c.Kind == Signal && c.Axis == NoAxis {
		c.Axis = len(s) - 1
		for c.Axis > 0 && s[c.Axis] == 1 {
			c.Axis--
		}
	}
	return c
}

// Holds is what an input holds.
func (v *Value) Holds() Content { return ContentOf(v.Content, v.Type.Shape) }
