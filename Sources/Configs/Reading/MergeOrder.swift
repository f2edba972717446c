import Basics

/// The merges of a file with several, and how they use each other by name.
struct MergeTree: Sendable {
  /// The merges, each after those that it uses.
  var merges: [MergeConfig] = []
  /// For each, those that it uses, by their places in `merges`.
  var uses: [Set<Int>] = []
  /// The result's place: the merge without a name, or else the last that no other uses.
  var result = 0
  /// The references that are a merge with adapters on it (`name+lora`), by their texts.
  var adapted: [String: ModelReference] = [:]
  /// The places of those that no other uses, in the order of the file.
  var ends: [Int] = []

  /// Whether another merge uses it.
  func isUsed(_ index: Int) -> Bool { !ends.contains(index) }

  /// The places of what some merges need, those themselves included, in order. What only merges need that are
  /// finished is not needed.
  func needed(for targets: some Sequence<Int>, isFinished: (Int) -> Bool = { _ in false }) -> [Int] {
    var needed = Set(targets)
    for index in merges.indices.reversed() where needed.contains(index) && !isFinished(index) {
      needed.formUnion(uses[index])
    }
    return needed.sorted()
  }
}

extension MergeReader {
  /// How the merges of the documents use each other; fails if that is not clear.
  func tree(_ merges: [MergeConfig]) throws(ConfigError) -> MergeTree {
    var byName: [String: Int] = [:]
    var unnamed: Int?
    for (index, merge) in merges.enumerated() {
      if let name = merge.name {
        if let first = byName[name.text] {
          let firstPlace = merges[first].name?.place ?? merges[first].place
          throw error(
            .duplicateName(name.text, first: firstPlace), at: name.place, KeyPath().key("name"))
        }
        byName[name.text] = index
      } else if let unnamed {
        throw error(.severalUnnamed(first: merges[unnamed].place), at: merge.place)
      } else {
        unnamed = index
      }
    }
    var uses: [[(index: Int, model: PlacedModel)]] = []
    var adapted: [String: ModelReference] = [:]
    for merge in merges {
      var used: [(index: Int, model: PlacedModel)] = []
      for model in merge.models {
        if let index = byName[model.reference.text] {
          used.append((index, model))
          continue
        }
        let meant = ModelReference(parsing: model.reference.text) { byName[$0] != nil }
        if let index = byName[meant.base.text] {
          adapted[model.reference.text] = meant
          used.append((index, model))
        }
      }
      uses.append(used)
    }
    var search = Search(uses: uses)
    for index in merges.indices { try visit(index, &search, merges) }

    let used = Set(uses.joined().map(\.index))
    let ends = merges.indices.filter { !used.contains($0) }
    // Without cycles, at least one merge is used by none.
    let result = unnamed ?? ends.last ?? merges.count - 1
    // The result stands last, whatever its place in the file.
    let order = search.order.filter { $0 != result } + [result]
    var places: [Int: Int] = [:]
    for (place, index) in order.enumerated() { places[index] = place }
    return MergeTree(
      merges: order.map { merges[$0] }, uses: order.map { Set(uses[$0].map { places[$0.index]! }) },
      result: order.count - 1, adapted: adapted, ends: ends.map { places[$0]! })
  }

  /// Says which merges are left out where the result alone is wanted; an error where the user wants
  /// strictness and nothing but their order tells the result from the others.
  func leaveOut(from tree: MergeTree, needed: [Int]) throws(ConfigError) {
    let others = tree.ends.filter { $0 != tree.result }
    if options.isStrict, !others.isEmpty, let name = tree.merges[tree.result].name {
      let list = (others + [tree.result]).compactMap { tree.merges[$0].name }
      throw error(.severalResults(list.map { .init(name: $0.text, place: $0.place) }), at: name.place)
    }
    for index in tree.merges.indices where !needed.contains(index) {
      if let name = tree.merges[index].name {
        warn(.unusedMerge(name.text), at: name.place, KeyPath().key("name"))
      }
    }
  }

  private struct Search {
    let uses: [[(index: Int, model: PlacedModel)]]
    var order: [Int] = []
    var done: Set<Int> = []
    /// The way to the merge that is being visited.
    var way: [Int] = []

    init(uses: [[(index: Int, model: PlacedModel)]]) { self.uses = uses }
  }

  private func visit(_ start: Int, _ search: inout Search, _ merges: [MergeConfig]) throws(ConfigError) {
    if search.done.contains(start) { return }
    // The next use to follow of each merge on the way: a chain of merges may be longer than the stack is.
    var next = [0]
    search.way = [start]
    while let current = search.way.last {
      let uses = search.uses[current]
      guard next[next.count - 1] < uses.count else {
        search.done.insert(current)
        search.order.append(current)
        search.way.removeLast()
        next.removeLast()
        continue
      }
      let use = uses[next[next.count - 1]]
      next[next.count - 1] += 1
      if let begin = search.way.firstIndex(of: use.index) {
        let around = search.way[begin...].map { merges[$0].name }.compactMap(\.self)
        throw error(
          .cycle(around.map { .init(name: $0.text, place: $0.place) }), at: use.model.place)
      }
      if !search.done.contains(use.index) {
        search.way.append(use.index)
        next.append(0)
      }
    }
  }
}
