//! Systems as stateright has them: its actions, and its pictures of paths.

use super::checked::ActionOf;
use super::intern::Interned;
use super::state::{Internable, opened};
use stateright::Model;
use stateright::actor::{Actor, ActorModelAction, ActorModelState};

/// What a picture of a path of the check says of itself, until such paths are translated into paths
/// of single steps.
pub const CAPTION: &str = "The check keeps one of several messages that do the same, whoever sent them, and does at \
                           once what changes nothing but what is under way: an arrow may begin at another sender \
                           than the one that sent it. Without --path every step is one, and every sender is right.";

/// Puts the caption below a picture.
pub(super) fn with_caption(drawn: &str) -> String {
    /// Of a line, in pixels.
    const HEIGHT: usize = 14;
    /// Of a line, in characters.
    const WIDTH: usize = 60;
    let number = |text: &str| text.split('\'').next().and_then(|it| it.parse::<usize>().ok());
    let parts = drawn.split_once("height='").zip(drawn.rsplit_once("</svg>"));
    let Some(((before, sized), (_, rest))) = parts else { return drawn.to_string() };
    let Some(height) = number(sized) else { return drawn.to_string() };
    let mut lines = vec![String::new()];
    for word in CAPTION.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => *line += &format!("{word} "),
            _ => lines.push(format!("{word} ")),
        }
    }
    let texts = lines.iter().enumerate().map(|(place, line)| {
        let y = height + (place + 1) * HEIGHT;
        format!("<text x='0' y='{y}' font-size='11'>{}</text>\n", line.trim_end())
    });
    let whole = height + (lines.len() + 1) * HEIGHT;
    let sized = &sized[height.to_string().len()..];
    let picture = sized.rsplit_once("</svg>").map_or(sized, |(picture, _)| picture);
    format!("{before}height='{whole}{picture}{}</svg>{rest}", texts.collect::<String>())
}

/// An action as stateright would have it.
pub(crate) fn to_stateright<A: Internable>(
    action: &ActionOf<A>,
) -> ActorModelAction<A::Msg, A::Timer, A::Random> {
    use ActorModelAction::{Crash, Deliver, Drop, Recover, SelectRandom, Timeout};
    match action.clone() {
        Deliver { src, dst, msg } => Deliver { src, dst, msg: Interned::get(msg).clone() },
        Drop(envelope) => Drop(opened(&envelope).to_cloned_msg()),
        Timeout(id, timer) => Timeout(id, timer),
        Crash(id) => Crash(id),
        Recover(id) => Recover(id),
        SelectRandom { actor, key, random } => SelectRandom { actor, key, random },
    }
}

/// The steps of one path as a model that has no others: [`Path`] is made by models alone, and
/// stateright draws sequence diagrams of paths of its own states.
pub(super) struct Projection<A: Actor, H>(pub(super) Vec<ProjectedStep<A, H>>);

type ProjectedStep<A, H> = (
    ActorModelState<A, H>,
    Option<ActorModelAction<<A as Actor>::Msg, <A as Actor>::Timer, <A as Actor>::Random>>,
);

impl<A: Actor, H: Clone + PartialEq> Model for Projection<A, H>
where
    A::Msg: Ord,
    A::Timer: Ord,
{
    type State = ActorModelState<A, H>;
    type Action = ActorModelAction<A::Msg, A::Timer, A::Random>;

    fn init_states(&self) -> Vec<Self::State> {
        self.0.first().map(|(state, _)| state.clone()).into_iter().collect()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        let here = self.0.iter().filter(|(at, _)| at == state);
        actions.extend(here.filter_map(|(_, action)| action.clone()));
    }

    fn next_state(&self, last: &Self::State, action: Self::Action) -> Option<Self::State> {
        let step = self.0.windows(2).find(|pair| {
            let (state, taken) = &pair[0];
            state == last && taken.as_ref() == Some(&action)
        })?;
        Some(step[1].0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_says_what_its_arrows_are_worth() {
        let drawn = "<svg version='1.1' width='10' height='40' viewbox='0'><g></g></svg>\n";
        let said = with_caption(drawn);
        assert!(said.starts_with("<svg version='1.1' width='10' height='124' viewbox"), "{said}");
        assert!(said.ends_with("</text>\n</svg>\n") && said.contains("<g></g><text"), "{said}");
        let words = said.split("'11'>").skip(1).filter_map(|text| text.split("</text>").next());
        assert_eq!(words.collect::<Vec<_>>().join(" "), CAPTION);
        for strange in ["", "<svg></svg>", "<svg height='x'></svg>"] {
            assert_eq!(with_caption(strange), strange);
        }
    }
}
