package project

import "strings"

// Markers around a conflict, in the form that editors and git know.
const (
	markYours = "<<<<<<< yours"
	markBase  = "||||||| built-in before"
	markMid   = "======="
	markNew   = ">>>>>>> built-in now"
)

// merge3 joins two edits of one text line by line: what only one side changed is taken, what both changed alike is
// taken once, and what they changed differently is a conflict, written with markers and all three texts. It is the
// diff3 method (Khanna, Kunal, Pierce: "A Formal Investigation of Diff3", 2007): regions between lines that all three
// share are judged one by one.
func merge3(base, yours, theirs string) (merged string, conflicts int) {
	o, a, b := splitLines(base), splitLines(yours), splitLines(theirs)
	inA, inB := match(o, a), match(o, b)
	var out strings.Builder
	io, ia, ib := 0, 0, 0
	for io < len(o) || ia < len(a) || ib < len(b) {
		if io < len(o) && inA[io] == ia && inB[io] == ib {
			out.WriteString(o[io])
			io, ia, ib = io+1, ia+1, ib+1
			continue
		}
		// The region ends at the next line of the base that both sides still have.
		eo, ea, eb := len(o), len(a), len(b)
		for j := io; j < len(o); j++ {
			if inA[j] >= 0 && inB[j] >= 0 {
				eo, ea, eb = j, inA[j], inB[j]
				break
			}
		}
		so, sa, sb := join(o[io:eo]), join(a[ia:ea]), join(b[ib:eb])
		switch {
		case sa == so:
			out.WriteString(sb)
		case sb == so || sa == sb:
			out.WriteString(sa)
		default:
			conflicts++
			side := func(mark, text string) {
				out.WriteString(mark + "\n" + text)
				if text != "" && !strings.HasSuffix(text, "\n") {
					out.WriteByte('\n')
				}
			}
			if s := out.String(); s != "" && !strings.HasSuffix(s, "\n") {
				out.WriteByte('\n')
			}
			side(markYours, sa)
			side(markBase, so)
			side(markMid, sb)
			out.WriteString(markNew + "\n")
		}
		io, ia, ib = eo, ea, eb
	}
	return out.String(), conflicts
}

// splitLines keeps the line ends, so that a missing last one is a difference like any other.
func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

func join(lines []string) string { return strings.Join(lines, "") }

// maxCells bounds the table of match; beyond it the differing middles count as wholly different, which is still right,
// only coarser.
const maxCells = 16 << 20

// match gives for each line of a the line of b that it stays as, or -1, along a longest common subsequence.
func match(a, b []string) []int {
	out := make([]int, len(a))
	for i := range out {
		out[i] = -1
	}
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		out[start] = start
		start++
	}
	enda, endb := len(a), len(b)
	for enda > start && endb > start && a[enda-1] == b[endb-1] {
		enda, endb = enda-1, endb-1
		out[enda] = endb
	}
	n, m := enda-start, endb-start
	if n == 0 || m == 0 || n*m > maxCells {
		return out
	}
	// length[i][j] is the longest common subsequence of a[start+i:enda] and b[start+j:endb].
	width := m + 1
	length := make([]int32, (n+1)*width)
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if a[start+i] == b[start+j] {
				length[i*width+j] = length[(i+1)*width+j+1] + 1
			} else {
				length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
			}
		}
	}
	for i, j := 0, 0; i < n && j < m; {
		switch {
		case a[start+i] == b[start+j]:
			out[start+i] = start + j
			i, j = i+1, j+1
		case length[(i+1)*width+j] >= length[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return out
}
