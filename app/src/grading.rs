//! What an answer is worth. The key stands in the question: `choices` is an array of `{"label", "correct"}`.

use std::collections::BTreeSet;

use serde_json::Value;

/// The kind of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    SingleChoice,
    MultipleChoice,
    FreeText,
}

impl Kind {
    pub(crate) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "single_choice" => Self::SingleChoice,
            "multiple_choice" => Self::MultipleChoice,
            "free_text" => Self::FreeText,
            _ => return None,
        })
    }
}

/// Whether a response can be one to such a question; `Err` says what it should be.
pub(crate) fn check(kind: Kind, choices: &Value, response: &Value) -> Result<(), &'static str> {
    if kind == Kind::FreeText {
        return response.as_str().map(drop).ok_or("the response to a free text question is a string");
    }
    let given = indexes(response).ok_or("the response is an array of indexes into the choices, from 0, each once")?;
    let of = choices.as_array().map_or(0, Vec::len);
    if given.iter().any(|index| *index >= of) {
        return Err("the response names a choice that the question does not have");
    }
    if kind == Kind::SingleChoice && given.len() != 1 {
        return Err("the response to a single choice question is one index");
    }
    Ok(())
}

/// The points for a response: all of them for exactly the correct choices, and none otherwise; `None` where a person has to read it.
pub(crate) fn award(kind: Kind, choices: &Value, response: &Value, points: i32) -> Option<i32> {
    if kind == Kind::FreeText {
        return None;
    }
    let is_correct = |choice: &Value| choice.get("correct").and_then(Value::as_bool) == Some(true);
    let key = choices.as_array().into_iter().flatten().enumerate();
    let key: BTreeSet<usize> = key.filter(|(_, choice)| is_correct(choice)).map(|(index, _)| index).collect();
    Some(if indexes(response).is_some_and(|given| given == key) { points } else { 0 })
}

/// An array of numbers, each of them once.
fn indexes(response: &Value) -> Option<BTreeSet<usize>> {
    let given = response.as_array()?;
    let set: BTreeSet<usize> =
        given.iter().map(|index| usize::try_from(index.as_u64()?).ok()).collect::<Option<_>>()?;
    (set.len() == given.len()).then_some(set)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_gets_all_points_or_none() {
        let choices =
            json!([{"label": "a", "correct": true}, {"label": "b", "correct": false}, {"label": "c", "correct": true}]);
        for (response, points) in
            [(json!([0, 2]), 5), (json!([2, 0]), 5), (json!([0]), 0), (json!([0, 1, 2]), 0), (json!([]), 0)]
        {
            assert_eq!(award(Kind::MultipleChoice, &choices, &response, 5), Some(points), "{response}");
        }
        assert_eq!(award(Kind::FreeText, &Value::Null, &json!("because"), 5), None);
    }

    #[test]
    fn a_response_has_the_shape_of_its_question() {
        let choices = json!([{"label": "a", "correct": true}, {"label": "b", "correct": false}]);
        for (kind, response, fits) in [
            (Kind::SingleChoice, json!([1]), true),
            (Kind::SingleChoice, json!([0, 1]), false),
            (Kind::SingleChoice, json!([2]), false),
            (Kind::MultipleChoice, json!([0, 1]), true),
            (Kind::MultipleChoice, json!([]), true),
            (Kind::MultipleChoice, json!([0, 0]), false),
            (Kind::MultipleChoice, json!("0"), false),
            (Kind::MultipleChoice, json!([-1]), false),
            (Kind::FreeText, json!("text"), true),
            (Kind::FreeText, json!([0]), false),
        ] {
            assert_eq!(check(kind, &choices, &response).is_ok(), fits, "{kind:?} {response}");
        }
    }
}
