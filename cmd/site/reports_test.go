package site

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReportsAreCertificates holds the figures of pages to those of certificates: of the network
// with 8 bits everywhere, which make test-adoption also builds. DNNC_REPORTS is the folder with
// NAME.html and NAME.json of each.
func TestReportsAreCertificates(t *testing.T) {
	folder := os.Getenv("DNNC_REPORTS")
	if folder == "" {
		t.Skip("DNNC_REPORTS names no folder of reports")
	}
	pages, err := filepath.Glob(filepath.Join(folder, "*.html"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(pages), 5)
	row := regexp.MustCompile(`(?s)<tr><th scope="row">8 bits everywhere</th>(.*?)</tr>`)
	cell := regexp.MustCompile(`<td>(.*?)</td>`)
	for _, page := range pages {
		raw, err := os.ReadFile(strings.TrimSuffix(page, ".html") + ".json")
		require.NoError(t, err)
		var c struct {
			Weights   int     `json:"weight_bytes"`
			Constants int     `json:"constant_bytes"`
			Code      int     `json:"code_bytes"`
			Arena     int     `json:"arena_bytes"`
			Stack     int     `json:"stack_bytes"`
			Cycles    float64 `json:"estimated_cycles"`
			Results   []struct{ Retention float64 }
		}
		require.NoError(t, json.Unmarshal(raw, &c), page)
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		rows := row.FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, c.Results, page)
		require.Len(t, rows, len(c.Results), page)
		for k, r := range c.Results {
			var got []string
			for _, m := range cell.FindAllStringSubmatch(rows[k][1], 6) {
				figure, _, _ := strings.Cut(m[1], " <small>") // its interval
				got = append(got, html.UnescapeString(figure))
			}
			want := strings.Fields(fmt.Sprintf("%d %d %d %d %.0f %.4f", c.Weights+c.Constants, c.Code, c.Arena, c.Stack, c.Cycles, r.Retention))
			assert.Equal(t, want, got, page)
		}
	}
}
