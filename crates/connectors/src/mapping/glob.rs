/// Whether `text` fits `pattern`: `*` stands for any characters but `/`, `**` for any at all, `?` for one that is not `/`.
/// Linear in memory; time is bounded by the product of both lengths.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // reach[i]: the pattern read so far can stand for the first i characters of the text
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    let mut p = 0;
    while p < pattern.len() {
        let double = pattern[p] == '*' && pattern.get(p + 1) == Some(&'*');
        match pattern[p] {
            '*' => {
                for i in 0..text.len() {
                    reach[i + 1] |= reach[i] && (double || text[i] != '/');
                }
            }
            c => {
                for i in (0..text.len()).rev() {
                    reach[i + 1] = reach[i] && (text[i] == c || (c == '?' && text[i] != '/'));
                }
                reach[0] = false;
            }
        }
        p += if double { 2 } else { 1 };
    }
    reach[text.len()]
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_mean_what_they_say() {
        for (pattern, text, want) in [
            ("**", "a/b/c.xml", true),
            ("*.xml", "c.xml", true),
            ("*.xml", "a/c.xml", false),
            ("**/*.xml", "a/b/c.xml", true),
            ("**.xml", "c.xml", true),
            ("a/?/c", "a/b/c", true),
            ("a/?/c", "a///c", false),
            ("", "", true),
            ("", "x", false),
            ("a*b*c", "aXbYbc", true),
        ] {
            assert_eq!(fits(pattern, text), want, "{pattern} {text}");
        }
        assert!(!fits(&"*a".repeat(300), &"b".repeat(2000)));
    }
}
