package seal_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/seal"
)

// The sums are what sha256sum prints of the texts.
func TestAdd(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`:                         `{"a":1,"sum":"015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"}`,
		"{\"a\":1}\n":                     "{\"a\":1,\"sum\":\"%s\"}\n",
		"{\n  \"a\": [\n    1\n  ]\n}\n":  "{\n  \"a\": [\n    1\n  ],\n  \"sum\": \"%s\"\n}\n",
		"{\n \"a\": {\n  \"b\": 1\n }\n}": "{\n \"a\": {\n  \"b\": 1\n },\n \"sum\": \"%s\"\n}",
	} {
		sealed := seal.Add([]byte(text))
		require.True(t, json.Valid(sealed), "%s", sealed)
		var read struct{ Sum string }
		require.NoError(t, json.Unmarshal(sealed, &read))
		require.Len(t, read.Sum, 64)
		assert.Equal(t, string(bytes.ReplaceAll([]byte(want), []byte("%s"), []byte(read.Sum))), string(sealed))
		require.NoError(t, seal.Check(sealed))
	}
}

// TestCheck changes each bit of a sealed text, cuts it off at each byte, and adds to it.
func TestCheck(t *testing.T) {
	for _, text := range []string{`{"a":"}","b":[{}]}` + "\n", "{\n  \"a\": \"sum\",\n  \"b\": {\n    \"sum\": 2\n  }\n}\n"} {
		sealed := seal.Add([]byte(text))
		require.NoError(t, seal.Check(sealed))
		for at := range sealed {
			for bit := range 8 {
				changed := bytes.Clone(sealed)
				changed[at] ^= 1 << bit
				assert.Error(t, seal.Check(changed), "%q", changed)
			}
			assert.Error(t, seal.Check(sealed[:at]), "%q", sealed[:at])
			assert.Error(t, seal.Check(append(append(bytes.Clone(sealed[:at]), ' '), sealed[at:]...)))
		}
		require.ErrorIs(t, seal.Check([]byte(text)), seal.ErrNone)
		require.ErrorIs(t, seal.Check(append(bytes.Clone(sealed), '\n')), seal.ErrNone)
		require.ErrorIs(t, seal.Check(append(bytes.Clone(sealed), text...)), seal.ErrNone)
		require.ErrorIs(t, seal.Check(bytes.Replace(sealed, []byte("a"), []byte("c"), 1)), seal.ErrChanged)
	}
}

// TestMembers of later versions do not matter: the sum is of the text, not of what is read.
func TestMembers(t *testing.T) {
	require.NoError(t, seal.Check(seal.Add([]byte("{\n  \"of a later version\": 1\n}\n"))))
	require.ErrorIs(t, seal.Check(nil), seal.ErrNone)
}
