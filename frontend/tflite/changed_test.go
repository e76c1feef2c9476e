package tflite_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
)

// digits are the numbers of a message.
var digits = regexp.MustCompile(`-?\d+(\.\d+)?(e[+-]\d+)?|NaN`)

// TestChangedModels imports models of every operator with one value changed, and holds
// what is said to testdata/changed.txt: each diagnostic, without its numbers, with how
// often it comes; and for each model a hash of all diagnostics and of the texts of what is
// imported. -update writes the file: read the diagnostics as a user would.
func TestChangedModels(t *testing.T) {
	var hashes strings.Builder
	seen, counts := map[string]bool{}, map[string]int{}
	for _, c := range frontendtest.Packed(t, "testdata/peers.tar.gz") {
		kind := c.Name[:strings.LastIndexByte(c.Name, '_')]
		if seen[kind] || strings.HasPrefix(kind, "NETWORK") {
			continue
		}
		seen[kind] = true
		hash := sha256.New()
		for _, change := range tflite.Changes(c.Files["model.tflite"]) {
			raw := bytes.Clone(c.Files["model.tflite"])
			copy(raw[change.At:], change.Bytes)
			m, err := tflite.Parse("net", raw, tflite.Options{})
			if err == nil {
				require.Empty(t, ir.Verify(m), "%s: %s", kind, change.What)
				fmt.Fprintln(hash, change.What, m.String())
				continue
			}
			var list diag.List
			var d *diag.Diagnostic
			if !errors.As(err, &list) {
				require.ErrorAs(t, err, &d, "%s: %s", kind, change.What)
				list = diag.List{d}
			}
			fmt.Fprintln(hash, change.What, err)
			said, _, _ := strings.Cut(list[0].Message, " of the model's")
			counts[digits.ReplaceAllString(said, "N")]++
		}
		fmt.Fprintf(&hashes, "%s %x\n", kind, hash.Sum(nil)[:4])
	}
	var text strings.Builder
	for _, said := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&text, "%6d  %s\n", counts[said], said)
	}
	frontendtest.Golden(t, "testdata/changed.txt", text.String()+hashes.String())
}
