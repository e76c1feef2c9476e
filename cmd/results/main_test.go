package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const record = `network,formats,method,version,seed,bits,images,average,retention,stderr,worst,below,below_stderr,evaluations,macs
net,odd,qed,0,1,1,100,1,0.1,0.01,0.1,0,0,5,10
net,odd,qed,1,1,1,100,1,0.5,0.01,0.4,0,0,5,10
net,odd,qed,1,2,1,100,1,0.7,0.03,0.6,0,0,5,30
net,odd,qed,1,2,1,100,1,0.9,0.03,0.6,0,0,5,30
net,odd,universal,1,1,1,100,NaN,NaN,0,NaN,0,0,0,0
`

func TestMeansOverSeeds(t *testing.T) {
	cells, err := read(csv.NewReader(strings.NewReader(record)))
	require.NoError(t, err)
	require.Len(t, cells, 1, "another version and what is not there do not count")
	assert.InDelta(t, .7, cells[0].retention, 1e-9, "of a seed's rows the last counts")
	assert.InDelta(t, .02, cells[0].stderr, 1e-9)
	assert.Equal(t, 2, cells[0].seeds)
}

func TestRefresh(t *testing.T) {
	folder := t.TempDir()
	from, readme := filepath.Join(folder, "r.csv"), filepath.Join(folder, "README.md")
	require.NoError(t, os.WriteFile(from, []byte(record), 0o644))
	require.NoError(t, os.WriteFile(readme, []byte("a\n"+begin+"\nold\n"+end+"\nz\n"), 0o644))
	for range 2 {
		require.NoError(t, refresh(from, readme, "2026-01-01"))
		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		assert.Contains(t, string(text), "| qed | 0.7000 ± 0.0200 |")
		assert.NotContains(t, string(text), "old")
		assert.True(t, strings.HasPrefix(string(text), "a\n") && strings.HasSuffix(string(text), "\nz\n"))
	}
	require.NoError(t, os.WriteFile(readme, []byte("no place\n"), 0o644))
	assert.Error(t, refresh(from, readme, ""))
	require.NoError(t, os.WriteFile(from, []byte("a,b\n1,2\n"), 0o644))
	assert.Error(t, refresh(from, readme, ""))
	assert.Error(t, refresh(filepath.Join(folder, "none"), readme, ""))
}
