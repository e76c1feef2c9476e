package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTable: a network that is measured again replaces its own line of the table, and no other.
func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	require.NoError(t, os.WriteFile(path, []byte("before\n"+begin+"\n"+end+"\nafter\n"), 0o644))
	proven := row{name: "net", exports: 2, agree: 2, verified: targets, ours: []float64{30.04}, qdq: []float64{31}}
	lost := row{name: "net_2", exports: 2, agree: 2, verified: targets, ours: []float64{29.9}, qdq: []float64{31}}
	none := row{name: "a", exports: 1}
	alone := row{name: "b", exports: 1, agree: 1, verified: targets, ours: []float64{20}}
	for _, c := range []struct {
		row  row
		date string
	}{{proven, "day 1"}, {lost, "day 1"}, {none, "day 1"}, {alone, "day 1"}, {proven, "day 2"}} {
		list, err := readLines(path)
		require.NoError(t, err)
		require.NoError(t, list.with(c.row.name, c.row.line(c.date)).write(path, []string{"one", "two"}))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "before\n"+begin+"\n\n2 of 4 networks meet all bars. The exporters are one, two.\n\n"+header+
		"| a | day 1 | 0 of 1 | - | - | - | misses a bar |\n"+
		"| b | day 1 | 1 of 1 | armv7em x86_64 | 20.0 | - | holds |\n"+
		"| net | day 2 | 2 of 2 | armv7em x86_64 | 30.0 | 31.0 | holds |\n"+
		"| net_2 | day 1 | 2 of 2 | armv7em x86_64 | 29.9 | 31.0 | misses a bar |\n"+
		"\n"+end+"\nafter\n", string(text))
}
