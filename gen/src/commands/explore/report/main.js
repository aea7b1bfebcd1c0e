summary();
choices();
savers();
plot();
table();
choose(chosen);
byId("zoom").addEventListener("change", () => timeline(data.details[chosen]));
addEventListener("resize", () => {
  plot();
  if (data.details[chosen]) pictures(data.details[chosen]);
});
