package ir

// IsIdentifier reports whether s is a C identifier, as the names of networks
// and the prefix of a C interface must be.
func IsIdentifier(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
