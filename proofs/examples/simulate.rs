fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (a, b): (u64, u64) = (args[1].parse().unwrap(), args[2].parse().unwrap());
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
    let report = chainring_proofs::simulate::chain(a..b, lacks, &Default::default());
    print!("{report}");
}
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
