package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/passes"
)

// TestReadmeNamesWhatThereIs: flags and passes that README, help and manual name exist.
func TestReadmeNamesWhatThereIs(t *testing.T) {
	raw, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	readme := string(raw)
	_, _, help := dnnc(t, "-help")
	flags := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  -(\S+)`).FindAllStringSubmatch(help, -1) {
		flags[m[1]] = true
	}
	require.Greater(t, len(flags), 30)
	named := 0
	for _, line := range strings.Split(readme, "\n") {
		command, is := strings.CutPrefix(strings.TrimSpace(line), "bin/dnnc ")
		if !is {
			continue
		}
		command = regexp.MustCompile(`[#;|>&].*`).ReplaceAllString(command, "")
		for _, m := range regexp.MustCompile(`\s-([A-Za-z][\w-]*)`).FindAllStringSubmatch(" "+command, -1) {
			assert.True(t, flags[m[1]], "-%s of %s", m[1], line)
			named++
		}
	}
	for _, m := range regexp.MustCompile("`-([A-Za-z][\\w-]*)[^`]*`").FindAllStringSubmatch(readme, -1) {
		assert.True(t, flags[m[1]], m[0])
		named++
	}
	assert.Greater(t, named, 80)
	_, manual, _ := dnnc(t, "man")
	found := 0
	for _, text := range []string{readme, help, strings.ReplaceAll(manual, `\-`, "-")} {
		for _, m := range regexp.MustCompile(`(?:-st(?:op|art)-after |-diff )([a-z][a-z,-]*)|-d=([a-z-]+)/dump|two passes: ([a-z,-]+)`).FindAllStringSubmatch(text, -1) {
			for _, name := range strings.Split(m[1]+m[2]+m[3], ",") {
				if name == "pass" || name == "passes" { // what a value is called
					continue
				}
				_, err := passes.Table.Find(name)
				assert.NoError(t, err, m[0])
				found++
			}
		}
	}
	assert.Greater(t, found, 8)
}
