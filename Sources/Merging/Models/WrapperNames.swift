/// A checkpoint's tensor names without the modules that training put around the model's own: torch.compile,
/// fully sharded and distributed data parallel training, activation checkpoints. They have no weights, and no
/// architecture knows them, so the model is read as if they were not there.
struct WrapperNames {
  /// The names without wrappers, in the order of the stored ones.
  let names: [String]
  /// The stored name by the one without wrappers, where they differ.
  private let stored: [String: String]

  /// Names of modules that are never a model's own, wherever they stand.
  private static let wrappers: Set<Substring> = [
    "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module",
  ]
  /// What distributed data parallel training puts around the whole model.
  private static let outermost = "module."

  init(_ stored: [String]) {
    var plain = stored.contains(where: Self.isWrapped) ? stored.map(Self.unwrapped) : stored
    while let first = plain.first, first.hasPrefix(Self.outermost),
      plain.allSatisfy({ $0.hasPrefix(Self.outermost) })
    {
      plain = plain.map { Self.unwrapped(String($0.dropFirst(Self.outermost.count))) }
    }
    let renamed = zip(plain, stored).filter { $0 != $1 }
    // Two tensors of one name would be a wrapped model beside an unwrapped one.
    guard !renamed.isEmpty, Set(plain).count == plain.count else {
      names = stored
      self.stored = [:]
      return
    }
    names = plain
    self.stored = Dictionary(uniqueKeysWithValues: renamed)
  }

  /// The name that a tensor is stored under.
  func storedName(_ name: String) -> String { stored[name] ?? name }

  private static func isWrapped(_ name: String) -> Bool {
    // Few names have a component that begins with an underscore, and all of a large model's are looked through.
    var previous = UInt8(ascii: ".")
    for byte in name.utf8 {
      if byte == UInt8(ascii: "_"), previous == UInt8(ascii: ".") {
        return name.split(separator: ".").dropLast().contains(where: wrappers.contains)
      }
      previous = byte
    }
    return false
  }

  private static func unwrapped(_ name: String) -> String {
    let components = name.split(separator: ".", omittingEmptySubsequences: false)
    let kept = components.dropLast().filter { !wrappers.contains($0) } + components.suffix(1)
    return kept.joined(separator: ".")
  }
}
