fn main() {
    let _x = std::env::args().count();
}
