//! One control as a row that opens in place: why, what was found and where it comes from, what to do.

use serde::Serialize;

use super::data::Sets;
use super::text::{self, EVIDENCE, NAME, PROSE, Piece, SENTENCE, cut, short};
use super::words;
use crate::audit::report::{Control, Group, Offender, Remedy, Report};
use crate::audit::verdict::Verdict;

/// Most names of nodes in one cell.
const NAMES: usize = 8;
/// Names of nodes where they are more than that.
const EXAMPLES: usize = 3;
/// Most reasons why a control does not apply to some nodes.
const ELSEWHERE: usize = 3;
/// Most lines of what does not fit a table or a list.
pub(super) const LINES: usize = 400;
/// Most bytes of all lists of offenders together: the page of the largest cluster stays below a megabyte.
const FOLDED: usize = 400_000;

/// A control's row and drawer.
#[derive(Serialize)]
pub(super) struct Row {
    anchor: String,
    id: String,
    title: String,
    class: &'static str,
    word: &'static str,
    severity: &'static str,
    /// Everything that makes up the verdict is accepted.
    waived: bool,
    level: u8,
    at: String,
    why: Vec<Piece>,
    /// Groups have different verdicts, so each tells its own.
    mixed: bool,
    /// Some group says what is required.
    required: bool,
    /// Some group has an origin of its own.
    origins: bool,
    /// Where the groups are is worth a column.
    places: bool,
    columns: usize,
    groups: Vec<GroupRow>,
    /// Where the control does not apply, although it does elsewhere.
    elsewhere: Vec<String>,
    more_groups: Option<More>,
    remedies: Vec<RemedyView>,
    more_remedies: Vec<RemedyView>,
    more_platforms: String,
    note: Option<Vec<Piece>>,
    seen: Option<&'static str>,
    person: bool,
    facts: String,
    slug: String,
}

/// Equal findings.
#[derive(Serialize)]
struct GroupRow {
    class: &'static str,
    word: &'static str,
    required: String,
    found: String,
    /// The finding is a value, not a sentence.
    value: bool,
    /// Who accepted it, until when and why.
    waiver: String,
    origins: String,
    on: String,
    /// Where the page's data hold the set of nodes of which `on` names some; empty where it names all.
    set: String,
    offenders: Vec<OffenderView>,
    more_offenders: Option<More>,
}

/// One offender.
#[derive(Serialize)]
struct OffenderView {
    what: String,
    found: String,
}

/// What opens on demand, as plain lines: thousands of them cost one element.
#[derive(Serialize)]
pub(super) struct More {
    pub(super) summary: String,
    pub(super) lines: String,
}

/// What to do on some platforms.
#[derive(Serialize)]
struct RemedyView {
    /// Empty where it is the same everywhere.
    platform: String,
    text: Vec<Piece>,
    patch: Option<String>,
}

/// How many rows and list entries a control may have, so that the page stays light whatever was found.
pub(super) struct Limits {
    groups: usize,
    offenders: usize,
    /// Lines of a list that is folded.
    lines: usize,
    /// Platforms that were recognised, the likeliest first.
    platforms: Vec<String>,
}

impl Limits {
    /// The limits of a report.
    pub(super) fn of(report: &Report) -> Self {
        let controls = || report.controls.iter().chain(&report.own_checks);
        let fits = |steps: [usize; 4], budget: usize, used: &dyn Fn(usize) -> usize| {
            steps.into_iter().find(|step| used(*step) <= budget).unwrap_or(steps[3])
        };
        let named = |offender: &Offender| offender.name().len().min(NAME) + offender.found.len().min(NAME);
        let folded = |step: usize| {
            let groups = controls().flat_map(|control| &control.groups);
            groups.flat_map(|group| group.offenders.iter().take(step)).map(named).sum()
        };
        let mut platforms: Vec<String> = report
            .nodes
            .iter()
            .flat_map(|node| &node.distributions)
            .filter_map(|found| found.split_whitespace().next())
            .map(str::to_owned)
            .collect();
        platforms.push("kubeadm".to_owned());
        Self {
            groups: fits([16, 8, 4, 2], 260, &|step| controls().map(|control| control.groups.len().min(step)).sum()),
            offenders: fits([12, 6, 3, 0], 300, &|step| {
                controls().flat_map(|control| &control.groups).map(|group| group.offenders.len().min(step)).sum()
            }),
            lines: fits([LINES, LINES / 2, LINES / 4, LINES / 8], FOLDED, &folded),
            platforms,
        }
    }
}

impl Row {
    /// The row of a control.
    pub(super) fn of(report: &Report, limits: &Limits, anchor: String, control: &Control, sets: &mut Sets) -> Self {
        let apart =
            |group: &&Group| group.verdict == Verdict::NotApplicable && control.verdict != Verdict::NotApplicable;
        let (elsewhere, groups): (Vec<&Group>, Vec<&Group>) = control.groups.iter().partition(apart);
        let several = report.nodes.len() > 1;
        let shown = if groups.len() > limits.groups + 1 { limits.groups } else { groups.len() };
        let (remedies, more_remedies) = remedies(control, limits);
        let platforms: Vec<String> =
            more_remedies.iter().map(|remedy: &RemedyView| remedy.platform.replace("Other", "other")).collect();
        let mixed = groups.iter().any(|group| group.verdict != control.verdict);
        let places = control.scope != "cluster"
            && groups.iter().any(|group| !group.instances.is_empty() || several && !group.subjects.cluster);
        let required = groups.iter().any(|group| !group.required.is_empty());
        let origins = groups.iter().any(|group| !group.origins.is_empty());
        Self {
            anchor,
            id: short(&control.id, 40),
            title: short(&control.title, NAME),
            class: words::class(control.verdict),
            word: control.verdict.word(),
            severity: words::severity(control.severity),
            waived: control.waived,
            level: control.level,
            at: where_seen(report, control),
            why: text::pieces(&control.reason),
            mixed,
            places,
            required,
            origins,
            columns: 1 + [mixed, required, origins, places].into_iter().filter(|column| *column).count(),
            groups: groups[..shown].iter().map(|group| GroupRow::of(report, limits, group, sets)).collect(),
            elsewhere: elsewhere.iter().take(ELSEWHERE).map(|group| not_here(report, group)).collect(),
            more_groups: (shown < groups.len()).then(|| more_groups(report, &groups[shown..])),
            remedies,
            more_platforms: text::listed(&platforms),
            more_remedies,
            note: control.note.as_deref().map(text::pieces),
            seen: (control.seen_verdict != control.verdict).then(|| control.seen_verdict.word()),
            person: control.verdict == Verdict::Review,
            facts: facts(report, control),
            slug: short(&control.slug, NAME),
        }
    }
}

impl GroupRow {
    fn of(report: &Report, limits: &Limits, group: &Group, sets: &mut Sets) -> Self {
        // A single offender that the finding names already is not told twice.
        let told = |offender: &Offender| !offender.own && group.found.contains(&offender.what);
        let offenders = match group.offenders.as_slice() {
            [one] if told(one) => &[],
            all => all,
        };
        let shown = if offenders.len() > limits.offenders + 1 { limits.offenders } else { offenders.len() };
        Self {
            class: words::class(group.verdict),
            word: group.verdict.word(),
            required: cut(&group.required, EVIDENCE),
            found: found(report, group),
            value: is_value(group),
            waiver: waiver(report, group),
            origins: text::lines(group.origins.iter().map(|origin| cut(origin, EVIDENCE)), 12),
            on: on(report, group),
            set: if group.subjects.number(report.nodes.len()) > NAMES + 1 {
                sets.place(&group.subjects.members(report.nodes.len()))
            } else {
                String::new()
            },
            offenders: offenders[..shown]
                .iter()
                .map(|offender| OffenderView {
                    what: cut(&offender.name(), EVIDENCE),
                    found: cut(&offender.found, EVIDENCE),
                })
                .collect(),
            more_offenders: (shown < offenders.len()).then(|| More {
                summary: if shown == 0 {
                    text::counted(offenders.len(), "offender", "offenders")
                } else {
                    format!("{} more", text::count(offenders.len() - shown))
                },
                lines: text::lines(
                    offenders[shown..]
                        .iter()
                        .map(|offender| format!("{}: {}", short(&offender.name(), NAME), short(&offender.found, NAME))),
                    limits.lines,
                ),
            }),
        }
    }
}

/// Who accepted a finding, until when and why.
fn waiver(report: &Report, group: &Group) -> String {
    let waiver = report.waivers.iter().find(|waiver| group.waiver.as_ref() == Some(&waiver.id));
    waiver.map_or_else(String::new, |waiver| text::sentence(&short(&waiver.to_string(), SENTENCE)))
}

/// A setting, a path or a single word is a value; the rest reads as prose.
fn is_value(group: &Group) -> bool {
    let found = group.found.trim();
    matches!(group.verdict, Verdict::Pass | Verdict::Fail | Verdict::Review)
        && group.offenders.is_empty()
        && (found.contains(" = ") || found.starts_with('/') || !found.contains(' '))
}

/// Where the control does not apply, and why.
fn not_here(report: &Report, group: &Group) -> String {
    format!("{}: {}", on(report, group).replace('\n', ", "), short(&group.found, SENTENCE))
}

/// Groups that the table has no room for.
fn more_groups(report: &Report, groups: &[&Group]) -> More {
    More {
        summary: format!("{} more findings", text::count(groups.len())),
        lines: text::lines(
            groups.iter().map(|group| {
                let on = on(report, group).replace('\n', ", ");
                format!("{}: {} (on {on})", group.verdict, short(&group.found, NAME))
            }),
            LINES,
        ),
    }
}

/// What was found; on a single node its own name stands where groups write `{node}`.
fn found(report: &Report, group: &Group) -> String {
    let text = cut(&group.found, EVIDENCE);
    match group.subjects.members(report.nodes.len()).as_slice() {
        [one] if !group.subjects.cluster => text.replace("{node}", &short(&report.nodes[*one].name, NAME)),
        _ => text,
    }
}

/// On which nodes and instances.
fn on(report: &Report, group: &Group) -> String {
    let name = |at: &usize| short(&report.nodes[*at].name, 80);
    let total = report.nodes.len();
    let subjects = &group.subjects;
    let members = subjects.members(total);
    // Over several nodes an instance begins with its node: then that says it all.
    let known = |at: &usize| {
        group
            .instances
            .iter()
            .any(|it| it.strip_prefix(&report.nodes[*at].name).is_some_and(|rest| rest.starts_with(": ")))
    };
    let few = (1..=NAMES).contains(&group.instances.len());
    let instances = || text::lines(group.instances.iter().map(|instance| short(instance, NAME)), NAMES);
    if few && !members.is_empty() && members.iter().all(known) {
        return instances();
    }
    let mut lines = Vec::new();
    if subjects.cluster {
        lines.push("the cluster".to_owned());
    }
    match &subjects.all_except {
        Some(_) if members.len() == total && total > 1 => lines.push(format!("all {} nodes", text::count(total))),
        Some(_) if total - members.len() <= NAMES && members.len() > NAMES => {
            let others: Vec<String> =
                (0..total).filter(|at| members.binary_search(at).is_err()).map(|at| name(&at)).collect();
            lines.push(format!("{} nodes: all but {}", text::count(members.len()), text::listed(&others)));
        }
        _ if members.is_empty() => {}
        _ if members.len() <= NAMES + 1 => lines.push(members.iter().map(name).collect::<Vec<_>>().join(", ")),
        _ => {
            let first: Vec<String> = members[..EXAMPLES].iter().map(name).collect();
            lines.push(format!("{} nodes, such as {}", text::count(members.len()), first.join(", ")));
        }
    }
    if few {
        lines.push(instances());
    }
    lines.join("\n")
}

/// Where the control's verdict holds, in a few words: `cp1`, `1 of 2 nodes`, `cluster`, `3 offenders`; nothing where all is well everywhere.
pub(super) fn where_seen(report: &Report, control: &Control) -> String {
    let with = |group: &&Group| group.verdict == control.verdict;
    let offenders: usize = control.groups.iter().filter(with).map(|group| group.offenders.len()).sum();
    let cluster = control.scope == "cluster" || control.groups.iter().any(|group| group.subjects.cluster);
    if cluster || report.nodes.len() < 2 {
        return match (offenders, cluster) {
            (0, true) if !matches!(control.verdict, Verdict::Pass | Verdict::NotApplicable) => "cluster".to_owned(),
            (0, _) => String::new(),
            (some, _) => text::counted(some, "offender", "offenders"),
        };
    }
    let total = report.nodes.len();
    // Where it does not apply it cannot be met or missed.
    let applies = |group: &&Group| group.verdict != Verdict::NotApplicable || control.verdict == Verdict::NotApplicable;
    let of: usize = control.groups.iter().filter(applies).map(|group| group.subjects.number(total)).sum();
    let here: usize = control.groups.iter().filter(with).map(|group| group.subjects.number(total)).sum();
    let everywhere = here == of && matches!(control.verdict, Verdict::Pass | Verdict::NotApplicable);
    let first = || control.groups.iter().find(with).and_then(|group| group.subjects.members(total).first().copied());
    match (here, of) {
        (_, 0) => String::new(),
        _ if everywhere => String::new(),
        (1, 1) => first().map_or_else(String::new, |at| short(&report.nodes[at].name, 40)),
        _ => format!("{} of {}", text::count(here), text::counted(of, "node", "nodes")),
    }
}

/// What to do, where there is something to do: the likeliest platform, then the others. Platforms with the same words share them.
fn remedies(control: &Control, limits: &Limits) -> (Vec<RemedyView>, Vec<RemedyView>) {
    let open = |verdict| matches!(verdict, Verdict::Fail | Verdict::Review);
    if !open(control.verdict) && !control.groups.iter().any(|group| open(group.verdict)) {
        return (Vec::new(), Vec::new());
    }
    let mut merged: Vec<(Vec<&str>, &Remedy)> = Vec::new();
    for (platform, remedy) in &control.remediation {
        match merged.iter_mut().find(|(_, known)| *known == remedy) {
            Some((platforms, _)) => platforms.push(platform),
            None => merged.push((vec![platform], remedy)),
        }
    }
    let likely = |platforms: &[&str]| {
        limits.platforms.iter().position(|known| platforms.contains(&known.as_str())).unwrap_or(usize::MAX)
    };
    merged.sort_by_key(|(platforms, _)| (likely(platforms), platforms.contains(&"other")));
    let everywhere = merged.len() == 1;
    let mut views = merged.into_iter().map(|(platforms, remedy)| RemedyView {
        platform: if everywhere {
            String::new()
        } else {
            let names: Vec<String> =
                platforms.into_iter().map(|platform| short(words::platform(platform), 40)).collect();
            text::listed(&names)
        },
        text: text::pieces(&remedy.text),
        patch: remedy.patch.as_deref().map(|patch| cut(patch, PROSE)),
    });
    let first: Vec<RemedyView> = views.next().into_iter().collect();
    (first, views.collect())
}

/// Status, level and references in one line.
fn facts(report: &Report, control: &Control) -> String {
    let status =
        if control.status == "own" { "Own check".to_owned() } else { text::sentence(&short(&control.status, 40)) };
    let mut facts = vec![status];
    if control.status != "own" {
        let scored = if control.level > report.run.level { ", not scored" } else { "" };
        facts.push(format!("level {}{scored}", control.level));
    }
    for (catalogue, entries) in &control.references {
        facts.push(format!("{} {}", words::catalogue(catalogue), entries.join(", ")));
    }
    cut(&facts.join(" · "), EVIDENCE)
}
