// Package chunk plans which file of an image is in which layer, so that an
// update costs what changed, and writes the layers.
//
// # The model
//
// A client fetches a layer as a whole or not at all. For a partition of the
// groups (mostly: source packages) into layers L, with z the compressed size
// and P the probability that an update changes a layer, it expects to fetch
//
//	E = Σ z(L) P(L)
//
// bytes. Were groups independent, with rates λ of change, a layer would stay as
// it is for a time T with the probability exp(-T Σλ). Clients update at times of
// their own, some each night and some when they are reminded: with T
// exponentially distributed around a mean of τ,
//
//	P(L) = 1 - ∫ exp(-T Σλ) exp(-T/τ) dT/τ = W / (1 + W),  W = Σ w,  w = λτ
//
// with the weight w of each group in L. A plan for one fixed T is good for that
// alone: with 64 layers, one for a week costs a tenth more after four months, and
// one for four months a third more each week. One layer for each group gives the
// least, E* = Σ z(g) P(g); to put groups a and b together costs
// z(a)(P(ab)-P(a)) + z(b)(P(ab)-P(b)) on top. So that is cheap which changes as
// often, or is small, and free which always changes together. Groups are not
// independent: the two halves of a divided group change with one source, and
// desktops and their frameworks are released together. Each group therefore gives
// its weight to up to two events, that of its source and that of its release, and
// of the groups of a layer that share an event only the heaviest counts: they
// change at the same time.
//
// Rates are the expectation of a gamma distribution: the days in the changelog
// on which something changed, at half their count for each year that has passed
// since, and a prior by kind, which grows with the number of entries in the
// changelog that mended a hole (CVE-…). Where dpkg's changelogs are not in the
// image the version says how often a stable package was updated (+deb12u3).
// Sources with a Jaccard index of their days of 0.6 make one release.
//
// What the model knows is the limit, not the search: from other starts it ends
// within half a percent in E, and a plan that knew which sources are going to
// change would cost the floor. Of the sources that Debian 12 never had updated,
// and whose changelogs tell of no hole, it updated one in sixty in 132 days, and
// what else is in the layer of such a one is fetched with it, unless it is left
// as it is (below).
//
// # The partition
//
// Even with equal ratios of weight to size the problem has that of dividing
// numbers into equal sums in it, so the search is not exact: the cheapest pair
// of layers is joined until the budget is met, and then single groups change
// layers, and pairs of them places, while that lowers E. On small instances this
// is held against all partitions (TestPartitionsAreNearlyTheBest).
//
// # The previous plan
//
// A layer in which nothing changed is kept. Groups of the other layers are free
// to go anywhere, since clients fetch them in any case, and so are new ones:
// this is what keeps plans from decaying. To touch a layer that has not changed
// costs its size once, which is divided by the number of updates in which that
// has to pay (the horizon) and added to E: a rebalance happens where the sum is
// lower with it, and is noted.
//
// # Stale layers
//
// What no rates foresee is the small package that is updated once in its life,
// and takes with it all that is in its layer. Such a layer is kept as it is, the
// same bytes under the same digest: what changed in it goes to layers above, and
// what is gone is removed by whiteouts in the highest (OCI image specification,
// layer.md), which is small and sent anyway. It is stale then.
//
// Its dead bytes cost whoever installs the image, and room on every disk, until
// the layer is made anew; keeping it spares each client once what did not change.
// Were that all, a layer could be kept for long: with one installation for fifty
// updates (four years of months), a dead byte costs less in seven updates than a
// seventh of one that is fetched. So the limits are those of decency: a half of a
// layer, and 2.5 percent of the image (twice that where it has got smaller),
// where those go first that save most for what they have. The other price is a
// layer of the budget, which is not open to what changed then. All such layers
// are tried to be kept, and three quarters of them, a half, a quarter and none,
// those that save most before the others, and what costs least by the model is
// the plan. Beyond the limits, or where the search finds that it pays, a layer is
// made anew from what is still right in it. So the dead bytes are bounded,
// whatever the number of updates.
//
// Who takes a file out of an image may do so because nobody is to have it. So
// nothing is dead in a layer but what packages list (or dpkg and Python keep of
// it), and what went with another version of them, or with the package: what a
// distribution gave to everybody. A layer in which anything else changed, or is
// gone, is made anew. (What a recipe wrote over a package's own file, and takes
// back in the very update that brings another version of the package, is not told
// from it.)
//
// Stale layers are the lowest of the plan, those that became so first below the
// others. Then a file that is dead in one and right in another is right: it was
// written later. A dead group never becomes a right one again where it is, even
// if it comes back as it was: the plan does not know it any more.
//
// Whether something changed is told by names, sizes and versions, and of what
// no package accounts for, and of all in such a layer, by reading it: there a
// cache that is made anew in the same size would be a mistake.
//
// # Below one layer for each source
//
// A large group is divided into what its updates change and what they leave as
// it is ("NAME~"). In the first plan names tell: data rather than code. When the
// group has changed, digests of its larger files in the previous plan tell,
// and the division costs nothing, because clients fetch both parts anyway. What
// came through an update as it was is then expected to do so in four of five,
// rather than in three of five as by its name, and goes to other layers. From
// then on files only ever leave the part that stays as it is. All its files
// have the plan's own modification time, which never changes: packages that are
// built anew bring the same content at another time.
//
// # The proof
//
// Every run proves that the layers are the image, before anybody gets them:
//
//   - A layer that is written is read back from the disk, decompressed, and
//     compared entry by entry with the files: type, mode, owner, size, content,
//     extended attributes, targets and hard links.
//   - Of a layer of an earlier run the archive is made again from the files,
//     without compressing it, and each header is read back and compared; the
//     layer is used if its diff ID is the SHA-256 of that archive. One out of the
//     cache was read back when it was written, and its bytes are hashed now. One of
//     a previous layout on this machine is unpacked and hashed.
//   - A stale one is unpacked and hashed in every run, wherever it is from. Each
//     entry is what the image has in that place, with its time, if the plan says
//     that this layer has it; or a layer above has the file; or the highest
//     removes it. What is a directory in one layer is one in all, and nothing
//     leads out of the layer; nor is anything gone that bootc does not import (a
//     device, a pipe, a name that is not UTF-8), since it reads each layer for
//     itself. Its archive is made again too, from the files and from what is dead
//     in it, and has to have that diff ID. One that cannot be read, or is not so,
//     is made anew.
//   - Any other that is left in the registry is not looked at. That its blob has this
//     diff ID is said by the previous image, whose signature the caller has
//     verified; the run that signed it has proven it.
//   - No file may be in two layers, but for dead ones, and each must be in one.
package chunk
