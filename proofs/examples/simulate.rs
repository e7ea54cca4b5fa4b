//! scratch
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (a, b): (u64, u64) = (args[1].parse().unwrap(), args[2].parse().unwrap());
    let mut options = chainring_proofs::simulate::Options::default();
    if args.get(3).is_some_and(|x| x == "each") {
        options.threads = 1;
        for seed in a..b {
            let r = chainring_proofs::simulate::chain(seed..seed + 1, None, &options);
            println!(
                "{seed} {:.2} s {} steps {} unk {:?}",
                r.seconds,
                r.steps,
                r.figures.of("operations unknown"),
                r.failures
            );
        }
        return;
    }
    if args.get(3).is_some_and(|x| x == "all") {
        options.until_failure = true;
        let mut found = 0;
        for m in chainring_model::Mechanism::ALL {
            let r = chainring_proofs::simulate::chain(a..b, Some(*m), &options);
            let f = r.failures.first().map_or("-".into(), |f| {
                format!("seed {} `{}` {} steps {} ms", f.seed, f.property, f.steps, f.milliseconds)
            });
            found += r.failures.len().min(1);
            println!("{:48} {f} ({:.1} s)", m.mutant(), r.seconds);
        }
        println!("{found}");
        return;
    }
    let lacks = args
        .get(3)
        .filter(|x| *x != "-")
        .map(|name| *chainring_model::Mechanism::ALL.iter().find(|m| m.mutant() == name).unwrap());
    if args.get(4).is_some() {
        for line in chainring_proofs::simulate::tell_chain(a, lacks).trace {
            println!("{line}");
        }
        return;
    }
    let report = chainring_proofs::simulate::chain(a..b, lacks, &options);
    print!("{report}");
}
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
