//! Which brands a search finds: text is compared as a reader would who does not mind case, accents and forms of letters.
//!
//! A list may look at 10,000 names a request: that takes 0.3 ms where they are ASCII, 15 ms where they are not (measured on a
//! developer's machine).

use std::borrow::Cow;

use icu_casemap::CaseMapperBorrowed;
use icu_normalizer::{
    ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed,
    properties::CanonicalCombiningClassMapBorrowed,
};
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};

use super::ListedBrand;

/// Which brands are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search(Contained);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Contained {
    /// In every name.
    #[default]
    Nothing,
    /// In the folded name.
    Folded(String),
    /// In the name itself: folding leaves nothing of this text, and nothing would be in every name.
    Literally(String),
}

impl Search {
    /// All brands.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Those whose name contains that text, once both are [folded](fold). The empty text is in every name. Text that
    /// consists of accents or invisible characters alone is looked for as it is.
    #[must_use]
    pub fn containing(text: &str) -> Self {
        if text.is_empty() {
            return Self::all();
        }
        let folded = fold(text);
        Self(if folded.is_empty() {
            Contained::Literally(text.to_owned())
        } else {
            Contained::Folded(folded.into_owned())
        })
    }

    pub(crate) const fn is_for_all(&self) -> bool {
        matches!(self.0, Contained::Nothing)
    }

    /// Whether it finds that brand.
    #[must_use]
    pub fn finds(&self, brand: &ListedBrand) -> bool {
        let name = brand.name.as_str();
        match &self.0 {
            Contained::Nothing => true,
            Contained::Literally(text) => name.contains(text),
            // Most names are ASCII, and need no text of their own.
            Contained::Folded(text) if name.is_ascii() => contains_ascii(name, text),
            Contained::Folded(text) => fold(name).contains(&**text),
        }
    }
}

/// Whether an ASCII text contains another, which is folded.
fn contains_ascii(text: &str, folded: &str) -> bool {
    let mut windows = text.as_bytes().windows(folded.len());
    windows.any(|part| part.eq_ignore_ascii_case(folded.as_bytes()))
}

/// The text without what a search does not mind: compatibility forms (full-width letters, ligatures), accents, invisible
/// characters and case. `ΟΔΥΣ` and `οδυς`, `Nestlé` and `NESTLE`, `Weiß` and `weiss` are the same. So are the four Turkish
/// i, since the case of ASCII text does not tell which one is meant.
///
/// What is composed of the rest is composed again, so that a syllable of Hangul, or a kana with its sound mark, is found
/// as a whole.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let mut decomposed = DecomposingNormalizerBorrowed::new_nfkd()
        .normalize(text)
        .into_owned();
    decomposed.retain(|char| !is_passed_over(char));
    let folded = CaseMapperBorrowed::new().fold_string(&decomposed);
    let folded = ComposingNormalizerBorrowed::new_nfc().normalize(&folded);
    Cow::Owned(if folded.contains('ı') {
        folded.replace('ı', "i")
    } else {
        folded.into_owned()
    })
}

/// Whether a search passes over a character: an invisible one, or an accent.
///
/// An accent is a nonspacing mark that stands at a letter without making it another one. The combining class tells: the marks
/// above, below and through letters of Latin, Greek and Cyrillic, the points of Hebrew and the vowel signs of Arabic
/// have one of these. The vowel signs and viramas of Indic scripts, the vowels and tones of Thai and Lao and the sound marks of
/// kana have others: without these the words would be different ones.
fn is_passed_over(char: char) -> bool {
    if char.is_ascii() {
        return false;
    }
    let is_mark =
        || CodePointMapData::<GeneralCategory>::new().get(char) == GeneralCategory::NonspacingMark;
    let class = CanonicalCombiningClassMapBorrowed::new().get_u8(char);
    matches!(class, 1 | 10..=36 | 200..) && is_mark()
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(char)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Search, fold};
    use crate::{Brand, BrandName, Timestamp, reader::ListedBrand};

    fn listed(name: &str) -> ListedBrand {
        let name = BrandName::stored(name);
        ListedBrand::from(&Brand::new(name, Timestamp::from_millis(0)))
    }

    fn finds(text: &str, name: &str) -> bool {
        Search::containing(text).finds(&listed(name))
    }

    #[test]
    fn names_are_found_without_regard_to_case_accents_and_forms_of_letters() {
        let alike: [&[&str]; 14] = [
            &["ΟΔΥΣΣΕΑΣ", "οδυσσεας", "Οδυσσέας"],
            &["Nestlé", "nestle", "NESTLE\u{301}", "nestl\u{e9}"],
            &["Weiß", "weiss", "WEISS", "WEIẞ"],
            &["ＡＣＭＥ", "acme", "Acme"],
            &["ﬁnance", "FINANCE"],
            &["İstanbul", "istanbul", "ISTANBUL", "ıstanbul"],
            &["ŽLUŤOUČKÝ", "žluťoučký", "zlutoucky"],
            &["Ёлка", "елка", "ЁЛКА"],
            &["שָׁלוֹם", "שלום"],
            &["مُحَمَّد", "محمد"],
            &["ac\u{ad}me", "acme", "a\u{200b}cme"],
            &["ガス", "カ\u{3099}ス", "ｶﾞｽ"],
            &["한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"],
            &["№ ㎏", "NO KG"],
        ];
        for texts in alike {
            for (text, name) in texts
                .iter()
                .flat_map(|text| texts.iter().map(move |name| (text, name)))
            {
                assert!(finds(text, name), "{text} finds {name}");
            }
        }
        assert!(finds("ΟΔΥΣ", "ΟΔΥΣΣΕΑΣ"), "a part");
        for text in ["žlu", "KŮŇ", "ý k", ""] {
            assert!(finds(text, "ŽLUŤOUČKÝ Kůň"), "{text}");
        }
    }

    #[test]
    fn marks_that_make_other_words_are_minded() {
        let different = [
            (
                "\u{915}\u{93f}\u{924}\u{93e}\u{92c}",
                "\u{915}\u{924}\u{92c}",
            ), // Hindi: a book, without its vowels
            ("\u{e17}\u{e35}\u{e48}", "\u{e17}"), // Thai
            ("ガス", "カス"),
            ("バス", "ハス"),
        ];
        for (one, other) in different {
            assert!(!finds(one, other), "{one} does not find {other}");
        }
        assert!(!finds("か", "が"));
        assert!(!finds("가", "각"));
        assert!(!finds("%", "Acme"));
        assert!(!finds("é%", "Acme"));
    }

    #[test]
    fn text_of_which_nothing_is_left_is_looked_for_as_it_is() {
        for text in ["\u{301}", "\u{200b}", "\u{ad}\u{fe0f}", "\u{5b0}"] {
            assert_eq!(fold(text), "");
            assert!(!finds(text, "Acme"), "{text:?}");
            assert!(!finds(text, "Nestlé"), "{text:?}");
            assert!(finds(text, &format!("x{text}y")), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_found_by_itself(name in "\\PC{0,20}") {
            prop_assert!(finds(&name, &name));
            prop_assert!(finds(&name.to_uppercase(), &name) || !name.is_ascii());
        }

        #[test]
        fn ascii_is_found_as_other_text_is(text in "[a-cA-C ]{0,3}", name in "[a-cA-C ]{0,8}") {
            let expected = name.to_lowercase().contains(&text.to_lowercase());
            prop_assert_eq!(finds(&text, &name), expected);
            prop_assert_eq!(finds(&text, &format!("{name}é")), expected);
        }
    }
}
