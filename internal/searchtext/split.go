package searchtext

// Splitter splits texts into the tokens of the index. It keeps its memory, so it is for one goroutine.
type Splitter struct {
	scanner scanner
	lower   []byte
}

// Split calls add with the tokens of a text, with repetitions, until that returns false. A token is valid
// until add returns.
func (s *Splitter) Split(text string, add func(token []byte) bool) bool {
	text = cut(text)
	for i := 0; i < len(text); {
		if separates(text, i) {
			i++
			continue
		}
		end, plain := i, true
		for end < len(text) && !separates(text, end) {
			plain = plain && text[end] < 0x80
			end++
		}
		ok := false
		if plain {
			ok = s.word(text[i:end], add)
		} else {
			ok = s.others(text[i:end], add)
		}
		if !ok {
			return false
		}
		i = end
	}
	return true
}

// separates reports whether there is a character of ASCII between words: what is before it and what
// comes after it are split as if they were alone.
func separates(text string, at int) bool {
	return text[at] < 0x80 && asciiClass[text[at]] == space && (at+1 == len(text) || text[at+1] < 0x80 || standsAlone(text[at+1:]))
}

// word splits a word of ASCII, as scanner.word does.
func (s *Splitter) word(word string, add func(token []byte) bool) bool {
	s.lower = s.lower[:0]
	simple := true
	for i := range len(word) {
		c := word[i]
		switch asciiClass[c] {
		case upper:
			c += 'a' - 'A'
			simple = simple && i == 0
		case joint:
			simple = false
		}
		s.lower = append(s.lower, c)
	}
	if simple {
		return add(s.piece(0, len(word)))
	}
	parts := 0
	for i := 0; i < len(word); {
		if word[i] == '_' {
			i++
			continue
		}
		end := i + partOfASCII(word[i:])
		if !add(s.piece(i, end)) {
			return false
		}
		parts++
		i = end
	}
	if parts < 2 {
		return true
	}
	from, to := 0, len(word)
	for word[from] == '_' {
		from++
	}
	for word[to-1] == '_' {
		to--
	}
	return add(s.piece(from, to))
}

// piece returns a part of the word, up to maxWord characters.
func (s *Splitter) piece(from, to int) []byte { return s.lower[from:min(to, from+maxWord)] }

// partOfASCII is partOf.
func partOfASCII(word string) int {
	n := 1
	for n < len(word) && word[n] != '_' {
		if asciiClass[word[n]] == upper && (asciiClass[word[n-1]] == letter || n+1 < len(word) && asciiClass[word[n+1]] == letter) {
			break
		}
		n++
	}
	return n
}

// others splits any text.
func (s *Splitter) others(text string, add func(token []byte) bool) bool {
	atoms := s.scanner.scan(text)
	for i := range atoms {
		a := &atoms[i]
		s.lower = append(s.lower[:0], a.text...)
		if !add(s.lower) {
			return false
		}
		if a.joined {
			s.lower = append(append(s.lower[:0], atoms[i-1].text...), a.text...)
			if !add(s.lower) {
				return false
			}
		}
		if a.parts > 0 {
			s.lower = append(s.lower[:0], a.whole...)
			if !add(s.lower) {
				return false
			}
		}
	}
	return true
}

// asciiClass is the class of each character of ASCII.
var asciiClass = func() (all [0x80]class) {
	for c := range all {
		all[c] = foldASCII(byte(c), 0).class
	}
	return all
}()
