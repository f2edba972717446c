/// The order of the merges of a file with several, which use each other by name.
extension MergeReader {
  /// The merges that the result needs, such that each stands after those that it uses. The last is the
  /// result: the one without a name, or else the last that no other uses.
  func ordered(_ merges: [MergeConfig]) throws(ConfigError) -> [MergeConfig] {
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
    let uses = merges.map { merge in
      merge.models.compactMap { model in
        model.reference.revision == nil ? byName[model.reference.path].map { (index: $0, model: model) } : nil
      }
    }
    var search = Search(uses: uses)
    for index in merges.indices { try visit(index, &search, merges) }

    let used = Set(uses.joined().map(\.index))
    // Without cycles, at least one merge is used by none.
    let result = unnamed ?? merges.indices.last { !used.contains($0) } ?? merges.count - 1
    var needed: Set<Int> = [result]
    for index in search.order.reversed() where needed.contains(index) {
      needed.formUnion(uses[index].map(\.index))
    }
    for index in merges.indices where !needed.contains(index) {
      if let name = merges[index].name {
        warn(.unusedMerge(name.text), at: name.place, KeyPath().key("name"))
      }
    }
    return (search.order.filter { $0 != result && needed.contains($0) } + [result]).map { merges[$0] }
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
        let names = (search.way[begin...] + [use.index]).map { merges[$0].name?.text ?? "" }
        throw error(.cycle(names), at: use.model.place)
      }
      if !search.done.contains(use.index) {
        search.way.append(use.index)
        next.append(0)
      }
    }
  }
}
