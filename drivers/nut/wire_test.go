package nut

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestWordsAreSplitAsNUTDoes(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
	}{
		{`VAR main ups.status "OL CHRG"`, []string{"VAR", "main", "ups.status", "OL CHRG"}},
		{`VAR main ups.model "BR \"1200\" \\ x"`, []string{"VAR", "main", "ups.model", `BR "1200" \ x`}},
		{`VAR main ups.model ""`, []string{"VAR", "main", "ups.model", ""}},
		{`VAR main ups.model "a\#b"`, []string{"VAR", "main", "ups.model", "a#b"}},
		{"  OK\t TRACKING  id ", []string{"OK", "TRACKING", "id"}},
		{`a\ b c`, []string{"a b", "c"}},
		{`x"y z"w`, []string{"xy zw"}},
		{"", nil},
		{" \t ", nil},
		{"VAR main ups.model \"Ünïcode\"", []string{"VAR", "main", "ups.model", "Ünïcode"}},
	} {
		got, err := words(tt.line)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, %v, want %q", tt.line, got, err, tt.want)
		}
	}
	for line, want := range map[string]string{
		`VAR main ups.model "half`: `not what a NUT server says: "VAR main ups.model \"half" has a quote that does not end`,
		`VAR main x \`:             `not what a NUT server says: "VAR main x \\" ends in a backslash`,
	} {
		if _, err := words(line); fmt.Sprint(err) != want {
			t.Errorf("%q: error %v, want %s", line, err, want)
		}
	}
}

func TestPlainWordsAreSentBare(t *testing.T) {
	for in, want := range map[string]string{
		"main": "main", "ups.delay.shutdown": "ups.delay.shutdown", "60": "60", "": `""`, "two words": `"two words"`,
		`a"b\c`: `"a\"b\\c"`, "#1": `"\#1"`,
	} {
		if got := quote(in); got != want {
			t.Errorf("%q is sent as %s, want %s", in, got, want)
		}
	}
}

func TestListsAreReadStrictlyAndValuesPatiently(t *testing.T) {
	for _, tt := range []struct{ name, text, rows, want string }{
		{"a list", "BEGIN LIST VAR main\nVAR main a \"1\"\nVAR main b \"2\"\nEND LIST VAR main\n", "a=1 b=2", ""},
		{"an empty list", "BEGIN LIST VAR main\nEND LIST VAR main\n", "", ""},
		{"lines that end as Windows's", "BEGIN LIST VAR main\r\nVAR main a \"1\"\r\nEND LIST VAR main\r\n", "a=1", ""},
		{"a name in capitals", "BEGIN LIST VAR MAIN\nVAR Main a \"1\"\nEND LIST VAR main\n", "a=1", ""},
		{"one row that cannot be read", "BEGIN LIST VAR main\nVAR main a \"1\nVAR main b \"2\"\nEND LIST VAR main\n", "a? b=2", ""},
		{"a row that is one quoted word", "BEGIN LIST VAR main\n\"VAR main\"\nEND LIST VAR main\n", "", `not what a NUT server says: "\"VAR main\"" in LIST VAR main`},
		{"a row whose quotes end late", "BEGIN LIST VAR main\n\"VAR\" \"main a\" 1\nEND LIST VAR main\n", "", `not what a NUT server says: "\"VAR\" \"main a\" 1" in LIST VAR main`},
		{"quoted words", "BEGIN LIST VAR main\n\"VAR\" \"main\" a \"1\"\nEND LIST VAR main\n", "a=1", ""},
		{"stale", "ERR DATA-STALE\n", "", "the server has no fresh data: its driver does not hear from the UPS; look at nut-driver on the server (DATA-STALE)"},
		{"an unknown error", "ERR MOON-FULL\n", "", "the server refuses it (MOON-FULL)"},
		{"an error without a name", "ERR\n", "", "the server refuses it (no reason given)"},
		{"another list", "BEGIN LIST RW main\n", "", `not what a NUT server says: "BEGIN LIST RW main" to LIST VAR main`},
		{"another UPS's rows", "BEGIN LIST VAR main\nVAR other a \"1\"\n", "", `not what a NUT server says: "VAR other a \"1\"" in LIST VAR main`},
		{"an error in the middle", "BEGIN LIST VAR main\nERR DATA-STALE\n", "", `not what a NUT server says: "ERR DATA-STALE" in LIST VAR main`},
		{"half a list", "BEGIN LIST VAR main\nVAR main a \"1\"\n", "", "EOF"},
		{"half a line", "BEGIN LIST VAR main\nVAR ma", "", "EOF"},
		{"another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", "", `not what a NUT server says: "HTTP/1.1 400 Bad Request" to LIST VAR main`},
		{"bytes", "\x16\x03\x01\x00\n", "", `not what a NUT server says: "\x16\x03\x01\x00" to LIST VAR main`},
		{"a line of 1 MB", strings.Repeat("x", 1<<20) + "\n", "", "not what a NUT server says: a line of more than 8192 bytes"},
		{"long rows without end", "BEGIN LIST VAR main\n" + strings.Repeat("VAR main a \""+strings.Repeat("x", 8000)+"\"\n", 200), "", "not what a NUT server says: a list of more than 1048576 bytes"},
		{"a list without end", "BEGIN LIST VAR main\n" + strings.Repeat("VAR main a \"1\"\n", 5000), "", "not what a NUT server says: a list of more than 4096 rows"},
	} {
		rows, err := list(bufio.NewReaderSize(strings.NewReader(tt.text), maxLine), "VAR", "main")
		var got []string
		for _, r := range rows {
			if r.err != nil {
				got = append(got, r.words[0]+"?")
				continue
			}
			got = append(got, strings.Join(r.words, "="))
		}
		if want := tt.want; want == "" && err != nil || want != "" && fmt.Sprint(err) != want {
			t.Errorf("%s: error %v, want %q", tt.name, err, want)
		}
		if strings.Join(got, " ") != tt.rows {
			t.Errorf("%s: rows %q, want %q", tt.name, got, tt.rows)
		}
	}
}

func FuzzListsAreReadOrRefused(f *testing.F) {
	for _, s := range []string{
		"BEGIN LIST VAR main\nVAR main ups.status \"OL\"\nEND LIST VAR main\n", "ERR DATA-STALE\n", "BEGIN LIST VAR main\nVAR main a \"\\\n",
		"BEGIN LIST VAR main\nVAR main\nEND LIST VAR main\n", "BEGIN LIST VAR main\n\"VAR main\"\nEND LIST VAR main\n", "BEGIN LIST VAR main\nVAR main battery.runtime \"-1\"\nVAR main ups.status \"OB LB\"\nEND LIST VAR main\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := list(bufio.NewReaderSize(strings.NewReader(text), maxLine), "VAR", "main")
		if err != nil && rows != nil {
			t.Errorf("rows %v beside the error %v", rows, err)
		}
		v := values{}
		for _, r := range rows {
			if r.err != nil && len(r.words) != 1 {
				t.Errorf("a row that cannot be read has the words %q", r.words)
			}
			if r.err == nil && len(r.words) == 2 {
				v[r.words[0]] = r.words[1]
			}
		}
		u := v.ups()
		if says(u) == "battery" && !slices.Contains(strings.Fields(strings.ToUpper(v["ups.status"])), "OB") {
			t.Errorf("on battery with status %q", v["ups.status"])
		}
		for _, w := range u.Warnings {
			if len(w) > 1000 || strings.ContainsAny(w, "\n\x1b") {
				t.Errorf("warning %q", w)
			}
		}
	})
}

func FuzzWhatIsQuotedReadsTheSame(f *testing.F) {
	for _, s := range []string{"", "a b", `"`, `\`, `\"`, "#", "é", "a\tb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := words(quote(s))
		if err != nil || len(got) != 1 || got[0] != s {
			t.Errorf("%q becomes %q, %v", s, got, err)
		}
		if _, err := words(s); err != nil && !errors.Is(err, errLine) {
			t.Errorf("%q: %v", s, err)
		}
	})
}
